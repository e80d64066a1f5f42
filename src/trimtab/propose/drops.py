"""Proposes to drop indexes that another one makes needless: exact duplicates, and prefixes of a longer index; and those
that no scan has used for as long as the specification asks, on any server that has them.

Never one that must be kept, backs a constraint, is unique, is the replica identity or clusters its table, nor one that
holds more than its definition puts back. One over expressions, whose statistics serve plans that never scan it, goes
only where its duplicate stays.
What serves a foreign key goes only with a stand-in that begins with the same columns, and so serves it as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.model.catalog import Index, Table
from trimtab.model.change import DropIndex
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context, Limits

NAME = "drops"


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per needless index, the largest first."""
    found: list[Strategy] = []
    for table in context.snapshot.tables if context.limits.wants_drops else ():
        replaced = needless(table, context.limits.must_keep)
        found += [_replaced(table, index, other) for index, other in replaced]
        gone = [index for index, _ in replaced]
        found += [_unused(table, index, days) for index, days in _idle(table, gone, context.limits)]
    return sorted(found, key=lambda strategy: (strategy.size_bytes, strategy.title))


def needless(table: Table, must_keep: frozenset[tuple[str, str]]) -> list[tuple[Index, Index]]:
    """Return the indexes that can go, each with the narrowest of those that stay and do all that it does."""
    staying = list(table.indexes)
    for index in _least_worth_first(table):
        if (index.schema, index.name) in must_keep:
            continue
        if may_go(index) and any(_does_all_of(other, index) for other in staying if other is not index):
            staying.remove(index)
    gone = [index for index in table.indexes if index not in staying]
    return [(index, min((o for o in staying if _does_all_of(o, index)), key=_width)) for index in gone]


def _least_worth_first(table: Table) -> list[Index]:
    """Narrow before wide. Of duplicates the one with fewer scans goes first; else the later name, as `..._idx1` is."""
    by_name = sorted(table.indexes, key=lambda index: index.name, reverse=True)
    return sorted(by_name, key=lambda index: (_width(index)[0], index.scans))


def _width(index: Index) -> tuple[int, int, str]:
    return len(index.key_columns) + len(index.include_columns), -index.scans, index.name


def may_go(index: Index) -> bool:
    """True when nothing but reads needs the index, and its definition puts it back."""
    could_be_put_back = index.tail is not None and not index.has_more
    return index.is_valid and could_be_put_back and index.is_for_reads_alone


def is_plain(index: Index) -> bool:
    """True when it is over all rows, and over columns alone."""
    return not index.is_partial and not index.has_expressions


def _does_all_of(other: Index, index: Index) -> bool:
    if other.method != index.method or not other.is_valid or is_plain(other) != is_plain(index):
        return False
    if index.method != "btree" or not is_plain(index):
        # Other methods use what their options say, and no beginning of a key: only the very same will do. It is the
        # same with parts of the rows, and with expressions.
        return other.tail == index.tail
    return begins(other, index) and set(index.include_columns) <= {*other.key_columns, *other.include_columns}


def begins(other: Index, index: Index) -> bool:
    """True when the other's keys begin with those of the index, in the same order."""
    length = len(index.key_columns)
    return (
        other.key_columns[:length] == index.key_columns
        and other.key_options[:length] == index.key_options
        and other.operator_classes[:length] == index.operator_classes
        and other.collations[:length] == index.collations
    )


def _is_duplicate(other: Index, index: Index) -> bool:
    return len(other.key_columns) == len(index.key_columns) and set(other.include_columns) == set(index.include_columns)


def _idle(table: Table, gone: Sequence[Index], limits: Limits) -> list[tuple[Index, float]]:
    """Return the indexes that nobody used for long enough, with the days; none that the table's foreign keys need."""
    found = []
    for index in table.indexes:
        days = index.unused_days
        is_kept = index in gone or (index.schema, index.name) in limits.must_keep or index.has_expressions
        if days is None or days < limits.min_unused_days or is_kept or not may_go(index):
            continue
        if not any(_begins_with(index, key.columns) for key in table.foreign_keys):
            found.append((index, days))
    return found


def _begins_with(index: Index, columns: Sequence[str]) -> bool:
    return not index.is_partial and set(index.key_columns[: len(columns)]) == set(columns)


def _replaced(table: Table, index: Index, other: Index) -> Strategy:
    is_duplicate = _is_duplicate(other, index)
    what = "duplicates" if is_duplicate else "holds nothing beyond the beginning of"
    return _strategy(
        table,
        index,
        f"it {what} {other.schema}.{other.name}, so every write pays for it and no read needs it",
        {"case": "duplicate" if is_duplicate else "redundant", "covered_by": other.name, "scans": index.scans},
    )


def _unused(table: Table, index: Index, days: float) -> Strategy:
    return _strategy(
        table,
        index,
        f"no scan has used it for {days:.0f} days, and every write pays for it",
        {"case": "unused", "days": round(days, 2), "scans": index.scans},
    )


def _strategy(table: Table, index: Index, reason: str, evidence: Mapping[str, int | float | str]) -> Strategy:
    return Strategy(
        changes=(drop_of(table, index),),
        proposer=NAME,
        title=f"drop index {index.schema}.{index.name}",
        reason=reason,
        query_ids=(),
        size_bytes=-index.size_bytes,
        evidence=dict(evidence),
    )


def drop_of(table: Table, index: Index) -> DropIndex:
    """Return the change that drops it, with all that puts it back."""
    assert index.tail is not None, "what may go can be put back"
    return DropIndex(
        schema=index.schema,
        table=table.name,
        name=index.name,
        tail=index.tail,
        key_columns=tuple(column or "" for column in index.key_columns),
        include_columns=index.include_columns,
    )
