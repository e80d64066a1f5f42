"""Asks the program `dexter` for indexes, as its users do, and reads what it prints.

It has no budget, no width that can be chosen and no view of the workload as a whole: what it says is taken as it is.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_FOUND = re.compile(r"^Index found: public\.(\S+) \((.+)\)$", re.MULTILINE)
_PLANNED = re.compile(r"^\[sql\] EXPLAIN ", re.MULTILINE)


def main() -> None:
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as directory:
        workload = Path(directory) / "workload.sql"
        workload.write_text("".join(f"{text};\n" for text in asked["queries"].values()))
        started = time.perf_counter()
        said = _run(asked["where"], "-d", asked["dsn"], "--log-sql", str(workload))
        seconds = time.perf_counter() - started
    answer = {
        "indexes": [[table, columns.split(", ")] for table, columns in _FOUND.findall(said)],
        "planner_calls": len(_PLANNED.findall(said)),
        "seconds": seconds,
        "version": _run(asked["where"], "--version").strip(),
    }
    print(json.dumps(answer))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"dexter ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
