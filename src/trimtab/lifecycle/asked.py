"""Makes of changes that somebody asks for the one strategy that they are, from the catalog of the database.

Every name is looked up and every definition made here; a text is never taken over. Nothing is judged: the strategy is
validated, predicted and tried as any other, and what the specification forbids it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trimtab.errors import UsageError
from trimtab.model.asked import (
    Asked,
    AskedDrop,
    AskedIndex,
    AskedRebuild,
    AskedSetting,
    AskedStatistics,
    AskedTarget,
)
from trimtab.model.catalog import Index, Snapshot, Table
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    RebuildIndex,
    SetSetting,
    SetStatisticsTarget,
)
from trimtab.model.strategy import Strategy
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.drops import drop_of
from trimtab.propose.names import object_name, titled

PROPOSER = "asked"
_PAGE_BYTES = 8192
_ENTRY_BYTES = 16  # an index tuple's header, its line pointer, and what alignment takes
_FILLED = 0.9
_UNKNOWN_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What names of new objects begin with, as the specification wants it."""

    index: str
    statistics: str


def strategy_of(
    asked: Sequence[Asked],
    snapshot: Snapshot,
    prefixes: Prefixes,
    by: str,
    sizes: Callable[[Sequence[CreateIndex]], Sequence[int | None]] | None = None,
) -> Strategy:
    """Return the strategy of the changes, in their order. `by` is who asks.

    `sizes` estimates new indexes, by bytes; else they are estimated from the widths that the planner's statistics tell.
    Raises UsageError `asked.nothing`, `asked.unknown`, `asked.impossible`.
    """
    if not asked:
        raise UsageError("no change was asked for", code="asked.nothing", next_step="Ask for one change or more.")
    changes = tuple(_change(one, snapshot, prefixes) for one in asked)
    new = [change for change in changes if isinstance(change, CreateIndex)]
    guessed = [_guessed_bytes(change, snapshot) for change in new]
    known = list(sizes(new)) if sizes is not None and new else [None] * len(new)
    estimated = [guess if size is None else size for size, guess in zip(known, guessed, strict=True)]
    freed = sum(_index(snapshot, one.schema, one.index)[1].size_bytes for one in asked if isinstance(one, AskedDrop))
    return Strategy(
        changes=changes,
        proposer=PROPOSER,
        title="; ".join(_titled(change) for change in changes)[:200],
        reason=f"{by} asked for it",
        query_ids=(),
        size_bytes=sum(estimated) - freed,
        evidence={f"size_bytes.{change.name}": size for change, size in zip(new, estimated, strict=True)},
    )


def _change(asked: Asked, snapshot: Snapshot, prefixes: Prefixes) -> Change:
    match asked:
        case AskedIndex():
            return _new_index(asked, snapshot, prefixes.index)
        case AskedDrop():
            table, index = _index(snapshot, asked.schema, asked.index)
            if index.tail is None:
                raise _impossible(f"the index {asked.index} has no definition that could put it back")
            return drop_of(table, index)
        case AskedRebuild():
            table, index = _index(snapshot, asked.schema, asked.index)
            return RebuildIndex(table.schema, table.name, index.name, index.oid)
        case AskedStatistics():
            table = _table(snapshot, asked.schema, asked.table)
            columns = tuple(sorted(_column(table, name) for name in dict.fromkeys(asked.columns)))
            kinds = tuple(sorted(set(asked.kinds)))
            if len(columns) < 2 or not kinds:
                raise _impossible("extended statistics are over two columns or more, and of one kind or more")
            definition = f"{table.schema}.{table.name} {columns} {kinds}"
            name = object_name(prefixes.statistics, (table.name, *columns, "stat"), definition)
            return CreateStatistics(table.schema, table.name, name, columns, kinds)
        case AskedTarget():
            table = _table(snapshot, asked.schema, asked.table)
            return SetStatisticsTarget(table.schema, table.name, _column(table, asked.column), asked.target)
        case AskedSetting():
            if asked.name not in snapshot.settings:
                raise _unknown(f"setting {asked.name}")
            return SetSetting("database", snapshot.server.database, asked.name, asked.value)


def _new_index(asked: AskedIndex, snapshot: Snapshot, prefix: str) -> CreateIndex:
    table = _table(snapshot, asked.schema, asked.table)
    columns = [_column(table, key.column) for key in asked.keys]
    included = tuple(_column(table, name) for name in asked.include)
    if not columns or len({*columns, *included}) != len(columns) + len(included):
        raise _impossible("an index is over one column or more, and each is in it once")
    keys = tuple(
        Key(key.column, key.is_descending, key.is_descending if key.is_nulls_first is None else key.is_nulls_first)
        for key in asked.keys
    )
    is_ordered = asked.method == "btree"
    if not is_ordered and (included or any(key.descending or key.nulls_first for key in keys)):
        raise _impossible(f"an index of method {asked.method} has neither an order nor INCLUDE here")
    if is_ordered and not all(column.has_btree_order for column in table.columns if column.name in columns):
        raise _impossible("a column of it has no order")
    # NULLS LAST is written for a method without an order when both are false: Key does not write its default.
    return Candidate(table.schema, table.name, keys, included, asked.method, rule=PROPOSER).change(prefix)


def _guessed_bytes(change: CreateIndex, snapshot: Snapshot) -> int:
    table = _table(snapshot, change.schema, change.table)
    held = {*change.key_columns, *change.include_columns}
    width = sum(column.average_width or _UNKNOWN_WIDTH for column in table.columns if column.name in held)
    return int(max(table.rows, 1) * (width + _ENTRY_BYTES) / _FILLED) + 2 * _PAGE_BYTES


def _table(snapshot: Snapshot, schema: str, name: str) -> Table:
    found = snapshot.table(schema, name)
    if found is None:
        raise _unknown(f"table {schema}.{name}")
    return found


def _column(table: Table, name: str) -> str:
    if table.column(name) is None:
        raise _unknown(f"column {name} of {table.schema}.{table.name}")
    return name


def _index(snapshot: Snapshot, schema: str, name: str) -> tuple[Table, Index]:
    for table in snapshot.tables:
        for index in table.indexes:
            if (index.schema, index.name) == (schema, name):
                return table, index
    raise _unknown(f"index {schema}.{name}")


def _titled(change: Change) -> str:
    what = change.kind.replace("_", " ")
    if isinstance(change, SetSetting):
        return f"{what} {change.name}"
    name = change.column if isinstance(change, SetStatisticsTarget) else getattr(change, "name", "")
    return f"{what} {name} on {titled(change.schema, change.table)}"


def _unknown(what: str) -> UsageError:
    return UsageError(
        f"there is no {what} that could be changed",
        code="asked.unknown",
        next_step="Write names as the catalog has them, the schema apart; case counts.",
    )


def _impossible(found: str) -> UsageError:
    return UsageError(f"the change was refused: {found}", code="asked.impossible", next_step="Ask for another change.")
