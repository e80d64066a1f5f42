"""Runs the parts that are named, or all of them: `python -m bench.governance spec`."""

from __future__ import annotations

from bench.parts import run_parts

PARTS = {name: f"bench.governance.{name}" for name in ("ledger", "security", "spec")}

if __name__ == "__main__":
    run_parts(__doc__, PARTS)
