"""Builds a strategy's objects in the lab's open transaction, and tells how long it took and how large they are.

Drops and settings build nothing: the arms of a pair show them. It never commits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.db.queries import load
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    RebuildIndex,
    RestoreStatistics,
    qualified,
)
from trimtab.model.strategy import Strategy
from trimtab.trial.rebuilding import held_bytes

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

_INDEX_STATE = """/* trimtab: how large is this index, and may this very transaction use it? */
select pg_catalog.pg_relation_size(i.indexrelid), i.indcheckxmin
  from pg_catalog.pg_index i
 where i.indexrelid = pg_catalog.to_regclass($1)"""


@dataclass(frozen=True, slots=True)
class Built:
    """Seconds spent building, and bytes that the indexes take: negative when some are freed, as by one that is built
    anew and then smaller than what the source's holds.

    `unusable` says why what was built cannot be tried here, or is None.
    """

    seconds: float
    size_bytes: int
    unusable: str | None = None


def build(connection: Connection, strategy: Strategy, timeout_ms: int, clock: Callable[[], float]) -> Built:
    """Build what the strategy creates. Raises ServerError; the caller's savepoint then takes everything back."""
    import psycopg

    from trimtab.db.failures import source_error

    started = clock()
    try:
        _limit(connection, timeout_ms)
        for change in strategy.changes:
            _create(connection, change)
        _limit(connection, 0)
        seconds = clock() - started
        sizes = [_size(connection, change, strategy) for change in strategy.changes]
    except psycopg.Error as error:
        raise source_error(error) from None
    unusable = None
    if any(is_deferred for _, is_deferred in sizes):
        unusable = "the lab's table is being changed by others, so an index built now is not used in this transaction"
    if any(isinstance(change, RestoreStatistics) for change in strategy.changes):
        unusable = "statistics of another moment are for the source's rows, and not for those of the lab"
    return Built(seconds, sum(size for size, _ in sizes), unusable)


def family_of(connection: Connection, tables: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return the tables with all their partitions and parents: the names under which a write may reach them."""
    given = [qualified(schema, table) for schema, table in sorted(tables)]
    rows = connection.execute(load("table_family", connection.info.server_version), (given,)).fetchall()
    return frozenset(tables) | {(str(schema), str(name)) for schema, name in rows}


def _create(connection: Connection, change: Change) -> None:
    if isinstance(change, CreateIndex | CreateStatistics | RebuildIndex):
        connection.execute(change.sql(concurrently=False).encode())
    if isinstance(change, CreateStatistics):
        connection.execute(f"ANALYZE {qualified(change.schema, change.table)}".encode())


def _size(connection: Connection, change: Change, strategy: Strategy) -> tuple[int, bool]:
    """Return bytes, and whether the server keeps the index from transactions as old as ours (indcheckxmin)."""
    if not isinstance(change, CreateIndex | DropIndex | RebuildIndex):
        return 0, False
    row = connection.execute(_INDEX_STATE, (qualified(change.schema, change.name),)).fetchone()
    size, is_deferred = (int(row[0]), bool(row[1])) if row is not None else (0, False)
    if isinstance(change, RebuildIndex):
        return size - held_bytes(strategy, change), False
    return (size, is_deferred) if isinstance(change, CreateIndex) else (-size, False)


def _limit(connection: Connection, timeout_ms: int) -> None:
    connection.execute("select pg_catalog.set_config('statement_timeout', $1, true)", (str(timeout_ms),))
