"""Our own footprint: `import trimtab` and `trimtab --help`, each against an empty Python in the same run, in turn."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.results_file import write

RUNS = 15


def main() -> None:
    program = str(Path(sys.executable).parent / "trimtab")
    commands = {
        "empty_python": [sys.executable, "-c", "pass"],
        "import_trimtab": [sys.executable, "-c", "import trimtab"],
        "trimtab_help": [program, "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(RUNS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if number:  # the first round warms the file cache
                times[name].append(1000 * (time.perf_counter() - started))
    result: dict[str, object] = {
        name: {"median_ms": round(median(values), 1), "min_ms": round(min(values), 1), "max_ms": round(max(values), 1)}
        for name, values in times.items()
    }
    result["import_over_empty_ratio"] = round(median(times["import_trimtab"]) / median(times["empty_python"]), 3)
    for name, value in result.items():
        print(f"{name:>24}: {value}")
    print(f"written to {write('footprint', result).relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
