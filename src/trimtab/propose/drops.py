"""Proposes to drop indexes that another one makes needless: exact duplicates, and prefixes of a longer index.

Never one that backs a constraint, is unique, is the replica identity or clusters its table; and what serves a foreign
key goes only where the other index serves it as well.
"""

from __future__ import annotations

from trimtab.model.catalog import Index, Table
from trimtab.model.change import DropIndex
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context

NAME = "drops"


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per needless index, the largest first."""
    found: list[Strategy] = []
    for table in context.snapshot.tables:
        gone: set[str] = set()
        for index in sorted(table.indexes, key=_least_worth_first):
            other = _replacement(index, table, gone)
            if other is not None and index.tail is not None:
                gone.add(index.name)
                found.append(_strategy(table, index, other, index.tail))
    return sorted(found, key=lambda strategy: (strategy.size_bytes, strategy.title))


def _least_worth_first(index: Index) -> tuple[bool, int, int, str]:
    return (_is_protected(index), len(index.key_columns) + len(index.include_columns), index.scans, index.name)


def _is_protected(index: Index) -> bool:
    return (
        index.is_unique
        or index.is_primary
        or index.constraint is not None
        or index.is_replica_identity
        or index.is_clustered
    )


def _replacement(index: Index, table: Table, gone: set[str]) -> Index | None:
    """Return another valid index that does all that this one does, or None."""
    if _is_protected(index) or index.has_expressions or index.is_partial or not index.is_valid:
        return None
    for other in table.indexes:
        if other.name not in {index.name, *gone} and other.is_valid and _covers(other, index):
            return other
    return None


def _covers(other: Index, index: Index) -> bool:
    if other.method != index.method or other.is_partial or other.has_expressions:
        return False
    length = len(index.key_columns)
    if index.method != "btree" and len(other.key_columns) != length:
        return False
    same_keys = (
        other.key_columns[:length] == index.key_columns
        and other.key_options[:length] == index.key_options
        and other.operator_classes[:length] == index.operator_classes
        and other.collations[:length] == index.collations
    )
    return same_keys and set(index.include_columns) <= {*other.key_columns, *other.include_columns}


def _strategy(table: Table, index: Index, other: Index, tail: str) -> Strategy:
    is_duplicate = len(other.key_columns) == len(index.key_columns)
    what = "duplicates" if is_duplicate else "is the beginning of"
    change = DropIndex(
        schema=index.schema,
        table=table.name,
        name=index.name,
        tail=tail,
        key_columns=tuple(column or "" for column in index.key_columns),
        include_columns=index.include_columns,
    )
    return Strategy(
        changes=(change,),
        proposer=NAME,
        title=f"drop index {index.schema}.{index.name}",
        reason=f"it {what} {other.schema}.{other.name}, so every write pays for it and no read needs it",
        query_ids=(),
        size_bytes=-index.size_bytes,
        evidence={
            "case": "duplicate" if is_duplicate else "redundant",
            "covered_by": other.name,
            "scans": index.scans,
        },
    )
