"""Proposes to rebuild bloated indexes: those that a new one of the same definition would be much smaller than.

The evidence says of the index `held_bytes.NAME`, what it holds, and `size_bytes.NAME`, what the size model gives a new
one. What is to be dropped is not rebuilt. It trusts no estimate: the trial builds one and looks.
"""

from __future__ import annotations

from trimtab.model.catalog import Index, Table
from trimtab.model.change import DropIndex, RebuildIndex
from trimtab.model.strategy import Strategy
from trimtab.propose import drops, merges
from trimtab.propose.context import Context
from trimtab.propose.health import Bloated, bloated_of

NAME = "rebuilds"
_KINDS = ("r", "m")


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per index that is worth rebuilding, what frees the most bytes first."""
    limits = context.limits
    worth = {
        (index.schema, index.name): (table, index)
        for table in context.snapshot.tables
        for index in table.indexes
        if _may_be_rebuilt(table, index) and limits.min_excess_bytes <= index.size_bytes <= limits.max_rebuild_bytes
    }
    if not worth:
        return []
    tidying = (*drops.propose(context), *merges.propose(context))
    dropped = {(c.schema, c.name) for one in tidying for c in one.changes if isinstance(c, DropIndex)}
    return [
        _strategy(*worth[one.schema, one.name], one)
        for one in bloated_of(context.snapshot, context.what_if, among=worth.keys() - dropped)
        if one.excess_bytes >= max(limits.min_excess_bytes, limits.min_excess_share * one.size_bytes)
    ]


def _may_be_rebuilt(table: Table, index: Index) -> bool:
    return table.kind in _KINDS and index.is_valid and index.size_bytes > 0 and not index.is_exclusion


def _strategy(table: Table, index: Index, found: Bloated) -> Strategy:
    return Strategy(
        changes=(RebuildIndex(index.schema, table.name, index.name, index.oid),),
        proposer=NAME,
        title=f"rebuild index {index.schema}.{index.name}",
        reason=f"it holds {found.size_bytes:,} bytes, where a new one is estimated to hold {found.estimated_bytes:,}",
        query_ids=(),
        size_bytes=-found.excess_bytes,
        evidence={
            f"held_bytes.{index.name}": found.size_bytes,
            f"size_bytes.{index.name}": found.estimated_bytes,
            "excess_share": round(found.excess_bytes / found.size_bytes, 4),
        },
    )
