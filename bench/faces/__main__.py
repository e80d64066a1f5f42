"""Runs the parts that are named, or all of them: `python -m bench.faces ingest`."""

from __future__ import annotations

from bench.parts import run_parts

PARTS = {
    "ingest": "bench.faces.ingest",
    "mcp": "bench.faces.agents",
    "monitor": "bench.faces.monitor",
    "report": "bench.faces.report",
    "store": "bench.faces.history",
    "web": "bench.faces.web",
}

if __name__ == "__main__":
    run_parts(__doc__, PARTS)
