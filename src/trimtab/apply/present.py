"""What a change of the ledger is called now: databases, tables, columns, indexes and statistics objects can be renamed.

Their oids tell them from others that bear their names since. Where the ledger does not know an oid, or nothing has it
any more (REINDEX CONCURRENTLY gives an index another one), the name that the ledger knows is taken. Only looks.
"""

from __future__ import annotations

from dataclasses import replace

from trimtab.apply.state import name_of_function, name_of_index, name_of_statistics
from trimtab.db.connection import Connection
from trimtab.ledger.entry import Entry
from trimtab.model.applied import Applied
from trimtab.model.catalog import Snapshot
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    change_from_dict,
    role_in_database,
)
from trimtab.validate.definition import shape_of_tail


def applied_now(connection: Connection, applied: Applied, snapshot: Snapshot) -> Applied:
    """Return what was applied, and its inverse, under the present names. Raises SourceError."""
    oids = (applied.table_oid, applied.object_oid)
    return replace(
        applied,
        change=_change_now(connection, applied.change, snapshot, *oids),
        inverse=_change_now(connection, applied.inverse, snapshot, *oids),
    )


def intended_now(connection: Connection, intent: Entry, snapshot: Snapshot) -> Change:
    """Return the intent's change under the present names. Raises SourceError, LedgerError `ledger.layout`."""
    try:
        change = change_from_dict(intent.mapping("change"))
    except (KeyError, TypeError):
        raise intent.layout_error("change") from None
    return _change_now(connection, change, snapshot, intent.number("table_oid"), intent.number("object_oid"))


def _change_now(
    connection: Connection, change: Change, snapshot: Snapshot, table_oid: int | None, object_oid: int | None
) -> Change:
    if isinstance(change, SetSetting):
        return _setting_now(connection, change, snapshot, object_oid)
    table = next((table for table in snapshot.tables if table.oid == table_oid), None)
    if table is None or table_oid is None:
        return change
    change = replace(change, schema=table.schema, table=table.name)
    if object_oid is None or isinstance(
        change, SetStatisticsTarget | SetDistinct | RestoreStatistics | RebuildIndex | LeaveIndex
    ):
        # What a rebuild left is known by the name that the index had when it began.
        return change
    if isinstance(change, CreateIndex | DropIndex):
        return _index_now(connection, change, object_oid, table_oid)
    return _statistics_now(connection, change, object_oid, table_oid)


def _setting_now(
    connection: Connection, change: SetSetting, snapshot: Snapshot, function_oid: int | None
) -> SetSetting:
    """A run sets nothing for another database than its own."""
    database = snapshot.server.database
    match change.scope:
        case "database":
            return replace(change, scope_name=database)
        case "role_in_database":
            return replace(change, scope_name=role_in_database(change.role_and_database[0], database))
        case "function" if function_oid is not None:
            return replace(change, scope_name=name_of_function(connection, function_oid) or change.scope_name)
        case _:
            return change


def _index_now(
    connection: Connection, change: CreateIndex | DropIndex, object_oid: int, table_oid: int
) -> CreateIndex | DropIndex:
    found = name_of_index(connection, object_oid, table_oid)
    if found is None:
        return change
    schema, name, tail = found
    change = replace(change, schema=schema, name=name)
    shape = shape_of_tail(tail)
    if shape is None:
        return replace(change, tail=tail)
    if shape == shape_of_tail(change.tail):
        return change
    return replace(change, tail=tail, key_columns=shape.key_columns, include_columns=shape.include_columns)


def _statistics_now(
    connection: Connection, change: CreateStatistics | DropStatistics, object_oid: int, table_oid: int
) -> CreateStatistics | DropStatistics:
    found = name_of_statistics(connection, object_oid, table_oid)
    if found is None:
        return change
    schema, name, columns = found
    if set(columns) == set(change.columns):
        columns = change.columns
    return replace(change, schema=schema, name=name, columns=columns)
