"""Exact index selection on published tables of planner costs (CoPhy's input): the optimum, its proof, and the time.

The tables are those of index_selection_evaluation (PVLDB 13(11), 2020) in AMPL's format: sizes of indexes in bytes, and
the cost of each query under each combination of indexes. No server is needed. The published optima were read off plots.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path

from bench.results_file import write
from trimtab.model.change import CreateIndex
from trimtab.model.workload import Query, QueryKind
from trimtab.propose.problem import Atom, Problem
from trimtab.propose.solver import solve

MB = 1_000_000
# Budget in MB: percent of the cost without indexes.
PUBLISHED = {
    "tpch": {1000: 95.5, 2000: 81.3, 3000: 78.6, 5000: 72.1, 8000: 69.1, 15000: 67.2},
    "job": {500: 79.6, 1000: 63.4, 2000: 53.2, 2500: 43.2, 3000: 32.3, 5000: 29.9, 8000: 28.5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="the folder that holds tpch.txt and job.txt")
    directory = parser.parse_args().directory
    if absent := missing(directory):
        parser.error(absent)
    solve_all(directory)


def missing(directory: Path) -> str:
    """Return which tables are not in the folder, in one line; "" when all are."""
    absent = [f"{name}.txt" for name in PUBLISHED if not (directory / f"{name}.txt").is_file()]
    return f"no {' and no '.join(absent)} in {directory}" if absent else ""


def solve_all(directory: Path) -> None:
    """Solve each budget of each table, print the figures and write them."""
    rows = [row for name in PUBLISHED for row in _solved(name, directory / f"{name}.txt")]
    for row in rows:
        print(row)
    print(f"written to {write('cophy', {'budgets': rows}).relative_to(Path.cwd())}")


def _solved(name: str, file: Path) -> Iterator[dict[str, object]]:
    text = file.read_text()
    for budget, published in PUBLISHED[name].items():
        problem = _problem(text, budget * MB)
        started = time.perf_counter()
        chosen, bound = solve(problem, seconds=60.0, relative_gap=0.0)
        seconds = time.perf_counter() - started
        cost = problem.workload_ms(chosen)
        yield {
            "table": name,
            "budget_mb": budget,
            "percent_of_no_index": round(100 * cost / problem.base_ms, 2),
            "published_percent": published,
            "gap": round(cost / bound - 1, 9),
            "indexes": len(chosen),
            "seconds": round(seconds, 2),
        }


def _problem(text: str, budget_bytes: int) -> Problem:
    sizes = {index: int(size) for index, size in re.findall(r"^(\d+) (\d+) #", text, re.MULTILINE)}
    combinations = {
        number: frozenset(indexes.split())
        for number, indexes in re.findall(r"^set indexes_per_combination\[(\d+)\]:=([ \d]*);", text, re.MULTILINE)
    }
    [named] = re.findall(r"^set QUERIES := ([ \d]+);", text, re.MULTILINE)
    wanted = set(named.split())
    atoms: dict[str, list[Atom]] = {}
    for query, combination, cost in re.findall(r"^(\d+) (\d+) ([\d.]+)\b(?! #)", text, re.MULTILINE):
        if query in wanted:
            atoms.setdefault(query, []).append(Atom(combinations[combination], float(cost)))
    queries = [Query(name, name, "", "", 1.0, QueryKind.READ) for name in atoms]
    return Problem(
        candidates={name: CreateIndex("public", "t", name, "", ()) for name in sizes},
        sizes=sizes,
        keep_ms={},
        queries=queries,
        value=dict.fromkeys(atoms, 1.0),
        base_cost={name: next(a.cost for a in found if not a.indexes) for name, found in atoms.items()},
        budget_bytes=budget_bytes,
        max_per_table={},
        atoms=atoms,
    )


if __name__ == "__main__":
    main()
