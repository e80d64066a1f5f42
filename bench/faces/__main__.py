"""Runs the parts that are named, or all of them: `python -m bench.faces ingest`."""

from __future__ import annotations

import argparse
from importlib import import_module

PARTS = {
    "ingest": "bench.faces.ingest",
    "mcp": "bench.faces.agents",
    "monitor": "bench.faces.monitor",
    "report": "bench.faces.report",
    "store": "bench.faces.history",
    "web": "bench.faces.web",
}
"""The module of each part: its `measure` prints and writes what it saw."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all when none is named")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for name in parts:
        import_module(PARTS[name]).measure()


if __name__ == "__main__":
    main()
