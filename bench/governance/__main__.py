"""Runs the parts that are named, or all of them: `python -m bench.governance spec`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench.governance import ledger, security, spec

PARTS: dict[str, Callable[[], None]] = {
    "ledger": ledger.measure,
    "security": security.measure,
    "spec": spec.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all when none is named")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for name in parts:
        PARTS[name]()


if __name__ == "__main__":
    main()
