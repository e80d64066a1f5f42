"""The facts that an approval is about, by kind: each a digest, so that a refusal can say which has drifted.

What Trimtab itself has made beside it, and that stands, is taken as if it were not there. Pure.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from trimtab.apply.state import is_same_tail
from trimtab.model.applied import Applied
from trimtab.model.catalog import Column, Snapshot, Table
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    fill,
    takes_back,
    touched_table,
)
from trimtab.model.strategy import Strategy

_MOST_GROWTH = 1.5
_FEW_BYTES = 1 << 20
"""A table that has become so many times larger, or smaller, and by more than so many bytes, is another fact."""
_MOST_ROWS = 2.0
_FEW_ROWS = 10_000


def facts_of(strategy: Strategy, snapshot: Snapshot, standing: Sequence[Applied]) -> dict[str, str]:
    """Return the SHA-256 of each kind of facts of the tables that the strategy touches, and of what it sets.

    `standing` are the changes of ours that stand on the database, newest last; the snapshot's tables have `bound`.
    """
    import rfc8785

    facts: defaultdict[str, list[object]] = defaultdict(list)
    facts["version"] = [snapshot.server.major]
    facts["settings"] = _settings(strategy, snapshot)
    for name in sorted(_touched(strategy)):
        table = snapshot.table(*name)
        facts["tables"].append([*name, None if table is None else table.oid])
        if table is not None:
            for kind, fact in _facts_of_table(table, standing):
                facts[kind].append(fact)
    return {kind: hashlib.sha256(rfc8785.dumps(fact)).hexdigest() for kind, fact in sorted(facts.items())}  # type: ignore[arg-type]


def digest_of(facts: Mapping[str, str]) -> str:
    """Return the SHA-256 of all of `facts_of`."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(dict(facts))).hexdigest()


def drifted_facts(approved: object, now: Mapping[str, str]) -> list[str]:
    """Return the kinds that differ from those that were approved, in our own words; "facts" where none is told."""
    before = approved if isinstance(approved, Mapping) else {}
    changed = [kind for kind in now if before.get(kind) != now[kind]]
    return changed if before and changed else ["facts"]


def table_bytes(strategy: Strategy, snapshot: Snapshot) -> dict[str, int]:
    """Return the sizes of the tables that the strategy touches, by "schema.table"."""
    return {f"{table.schema}.{table.name}": table.size_bytes for table in touched_tables(strategy, snapshot)}


def table_rows(strategy: Strategy, snapshot: Snapshot) -> dict[str, int]:
    """Return how many rows the planner takes them to have, by "schema.table"; 0 where it was never told."""
    return {f"{table.schema}.{table.name}": round(table.rows) for table in touched_tables(strategy, snapshot)}


def moved(
    bytes_before: Mapping[str, int],
    bytes_now: Mapping[str, int],
    rows_before: Mapping[str, int],
    rows_now: Mapping[str, int],
) -> list[str]:
    """Return what has moved further than an approval allows, in words, by "schema.table"."""
    sizes = [
        f"the size of {table}" for table, size in bytes_now.items() if has_other_size(bytes_before.get(table), size)
    ]
    return sizes + [
        f"the rows of {table}" for table, n in rows_now.items() if has_other_rows(rows_before.get(table), n)
    ]


def has_other_size(before: int | None, now: int) -> bool:
    """True when a table's bytes are those of another table, as an approval sees it."""
    return before is None or _differs(before, now, _MOST_GROWTH, _FEW_BYTES)


def has_other_rows(before: int | None, now: int) -> bool:
    """True when a table's rows are. Where the planner had not been told of any, the size alone is held against it."""
    return before is None or (before > 0 and _differs(before, now, _MOST_ROWS, _FEW_ROWS))


def foreseen(strategy: Strategy, inverses: Sequence[Change], done: Sequence[Change]) -> dict[int, Change]:
    """Return the inverses, by position, that the changes not yet made will have: what `done` had set is left out."""
    return {
        position: inverse
        for position, (change, inverse) in enumerate(zip(strategy.changes, inverses, strict=True))
        if position >= len(done) and not any(takes_back(inverse, made) for made in done)
    }


def _differs(before: int, now: int, factor: float, few: int) -> bool:
    return max(before, now) > min(before, now) * factor and abs(now - before) > few


def _touched(strategy: Strategy) -> set[tuple[str, str]]:
    return {touched for change in strategy.changes if (touched := touched_table(change)) is not None}


def touched_tables(strategy: Strategy, snapshot: Snapshot) -> list[Table]:
    """Return those of the tables that the strategy touches that are there, by schema and name."""
    found = (snapshot.table(*name) for name in sorted(_touched(strategy)))
    return [table for table in found if table is not None]


def _settings(strategy: Strategy, snapshot: Snapshot) -> list[object]:
    """What is to be set holds now; and what ANALYZE goes by, where a change runs it."""
    held: list[object] = [
        [change.scope_key, change.name, snapshot.scoped_settings.get((change.scope_key, change.name))]
        for change in strategy.changes
        if isinstance(change, SetSetting)
    ]
    default = snapshot.settings.get("default_statistics_target")
    if default is not None and any(fill(change) is not None for change in strategy.changes):
        held.append([default.name, default.value])
    return held


def _facts_of_table(table: Table, standing: Sequence[Applied]) -> list[tuple[str, object]]:
    ours = [each for each in standing if _is_on(each, table)]
    made = {change.name: change for each in ours if isinstance(change := each.change, CreateIndex | CreateStatistics)}
    indexes = sorted(
        [index.schema, index.name, index.definition, str(index.is_valid)]
        for index in table.indexes
        if not (isinstance(by := made.get(index.name), CreateIndex) and is_same_tail(by.tail, index.tail))
    )
    statistics = sorted(
        [each.schema, each.name, *each.columns, *each.kinds, each.definition_sha256]
        for each in table.statistics
        if not (
            isinstance(by := made.get(each.name), CreateStatistics)
            and (set(by.columns), set(by.kinds)) == (set(each.columns), set(each.kinds))
        )
    )
    return [
        ("indexes", indexes),
        ("extended statistics", statistics),
        ("columns", [[column.name, column.type_name] for column in table.columns]),
        (
            "statistics targets and numbers of distinct values",
            [[column.name, *_before_ours(column, ours)] for column in table.columns],
        ),
        *table.bound,
    ]


def _is_on(applied: Applied, table: Table) -> bool:
    if applied.table_oid is not None:
        return applied.table_oid == table.oid
    return touched_table(applied.change) == (table.schema, table.name)


def _before_ours(column: Column, ours: Sequence[Applied]) -> list[object]:
    """Return what is set of the column, without what we have set: what somebody has set over ours is a fact."""
    held: dict[str, float | None] = {
        "target": column.statistics_target,
        "distinct": column.distinct_set,
        "inherited": column.distinct_set_inherited,
    }
    for applied in reversed(ours):
        set_to, back = applied.change, applied.inverse
        if isinstance(set_to, SetStatisticsTarget) and isinstance(back, SetStatisticsTarget):
            key = "target"
            value: float | None = set_to.target
            before: float | None = back.target
        elif isinstance(set_to, SetDistinct) and isinstance(back, SetDistinct):
            key = "inherited" if set_to.is_inherited else "distinct"
            value, before = set_to.distinct, back.distinct
        else:
            continue
        if set_to.column == column.name and held[key] == value:
            held[key] = before
    return list(held.values())
