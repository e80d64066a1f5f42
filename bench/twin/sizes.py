"""Sizes: a published list of really built indexes, their bytes and what the twin says they would be.

Goals for estimate/real: 0.9 to 1.15 for B-trees, 0.7 to 1.4 for hash, GIN, GiST, SP-GiST and BRIN. HypoPG's estimate of
the same definition stands beside, from the older source with the same rows; B-trees have one format in both versions.
The twin may read bounded samples of the source; what it says without stands beside, too. Where PostgreSQL's builds draw
lots, each index is built several times, and every one of these has to be within the goal.
"""

from __future__ import annotations

from contextlib import closing
from statistics import median
from typing import Any

import psycopg

from bench.twin import hypopg
from bench.twin.designs import DATABASES, Design, sizes
from bench.twin.numbers import share
from bench.twin.part import Part
from bench.twin.sources import Database, Sources, say
from bench.twin.twins import open_twin
from trimtab.db.connection import Connection, connect

GOALS = {"btree": (0.9, 1.15), "others": (0.7, 1.4)}
BUILDS = {"gist": 6, "spgist": 6}
"""How often an index is built: these methods choose by chance between places that are as good."""

Row = dict[str, Any]


def run(sources: Sources) -> dict[str, object]:
    rows: list[Row] = []
    for database in sources.current.databases:
        say(f"sizes: {database.name}")
        theirs: dict[str, int] = {}
        if sources.older is not None:
            older = next(other for other in sources.older.databases if other.name == database.name)
            theirs = _of_hypopg(older)
        rows += _of_database(database, theirs)
    return {"goals": GOALS, "summary": _summary(rows), "indexes": rows}


def _of_hypopg(database: Database) -> dict[str, int]:
    with closing(connect(database.dsn, read_only=False)) as connection:
        return hypopg.sizes(connection, [d.change for d in sizes(database.name) if d.method == "btree"])


def _of_database(database: Database, hypopg_bytes: dict[str, int]) -> list[Row]:
    designs = sizes(database.name)
    changes = [design.change for design in designs]
    with open_twin(database, workers=1, with_sample=True) as opened:
        estimates = opened.twin.size_bytes(changes)
        notes = [opened.twin.refusal(change) or opened.twin.note(change) for change in changes]
    with open_twin(database, workers=1) as opened:
        without = opened.twin.size_bytes(changes)
    with closing(connect(database.dsn, read_only=False)) as connection:
        real = [_real_bytes(connection, design) for design in designs]
    rows = []
    for design, estimate, bare, sizes_built, note in zip(designs, estimates, without, real, notes, strict=True):
        low, high = GOALS["btree" if design.method == "btree" else "others"]
        size = round(median(sizes_built)) if sizes_built else None
        ratios = [round(estimate / one, 3) for one in sizes_built] if estimate is not None else []
        ratio = round(estimate / size, 3) if estimate is not None and size else None
        theirs = hypopg_bytes.get(design.definition)
        rows.append(
            {
                "database": database.name,
                "index": design.definition,
                "method": design.method,
                "real_bytes": size,
                "estimated_bytes": estimate,
                "ratio": ratio,
                "ratios": ratios if len(ratios) > 1 else None,
                "ratio_without_sample": round(bare / size, 3) if bare is not None and size else None,
                "rests_on": note,
                "within_goal": all(low <= one <= high for one in ratios) if ratios else None,
                "hypopg_ratio": round(theirs / size, 3) if theirs is not None and size else None,
            }
        )
    return rows


def _real_bytes(connection: Connection, design: Design) -> list[int]:
    """Return the size of each build; none where the source refuses it."""
    found = []
    for _ in range(BUILDS.get(design.method, 1)):
        try:
            connection.execute(design.change.sql(concurrently=False).encode())
        except psycopg.Error:
            say(f"sizes: the source refuses {design.definition}")
            return []
        row = connection.execute("select pg_relation_size($1::regclass)", (design.change.name,)).fetchone()
        connection.execute(f"drop index {design.change.name}".encode())
        assert row is not None
        found.append(int(row[0]))
    return found


def _summary(rows: list[Row]) -> Row:
    methods = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        ratios = [one for row in mine for one in row["ratios"] or [row["ratio"]] if one is not None]
        theirs = [row["hypopg_ratio"] for row in mine if row["hypopg_ratio"] is not None]
        methods[method] = {
            "indexes": len(mine),
            "not_estimated": sum(row["ratio"] is None for row in mine),
            "within_goal": share(sum(bool(row["within_goal"]) for row in mine), len(mine)),
            "smallest_ratio": min(ratios, default=None),
            "largest_ratio": max(ratios, default=None),
            "hypopg_smallest_ratio": min(theirs, default=None),
            "hypopg_largest_ratio": max(theirs, default=None),
        }
    within = sum(bool(row["within_goal"]) for row in rows)
    return {
        "indexes": len(rows),
        "databases": len(DATABASES),
        "within_goal": share(within, len(rows)),
        "methods": methods,
    }


def show(result: dict[str, Any]) -> None:
    print(f"{'real MB':>9} {'ratio':>7} {'no sample':>10} {'HypoPG':>7}  database, index")
    for row in sorted(result["indexes"], key=lambda row: (row["method"], row["database"])):
        mark = " " if row["within_goal"] else "!"
        real = "-" if row["real_bytes"] is None else f"{row['real_bytes'] / 2**20:.2f}"
        ratio = "-" if row["ratio"] is None else row["ratio"]
        theirs = row["hypopg_ratio"] or ""
        bare = row["ratio_without_sample"] or "-"
        of = row["ratios"]
        spread = f"  ({min(of)} to {max(of)} in {len(of)} builds)" if of else ""
        print(f"{real:>9} {ratio:>7}{mark}{bare:>10} {theirs:>7}  {row['database']} {row['index']}{spread}")
    summary = result["summary"]
    for method, one in summary["methods"].items():
        print(
            f"{method:>7}: {one['indexes']} indexes, {one['not_estimated']} not estimated, within goal "
            f"{one['within_goal']:.1%}, {one['smallest_ratio']} to {one['largest_ratio']}"
            + (
                f"; HypoPG {one['hypopg_smallest_ratio']} to {one['hypopg_largest_ratio']}"
                if one["hypopg_largest_ratio"]
                else ""
            )
        )
    print(f"all {summary['indexes']} indexes: within goal {summary['within_goal']:.1%}")


PART = Part("sizes", run, show)

if __name__ == "__main__":
    PART.main()
