"""Where a change stands in the source's catalog: done, absent, or half done; and who would be in its way.

Only looks; never acts. What bears the right name and is something else is never taken for ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import psycopg

from trimtab.apply.statistics_files import columns_digest
from trimtab.apply.stored_statistics import read_statistics
from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.model.change import (
    ERASED,
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
    qualified,
)
from trimtab.validate.definition import shape_of_tail


class ChangeState(StrEnum):
    """What the catalog says. HALF: an invalid index, as a broken-off build, drop or rebuild leaves it.

    FOREIGN: something of that name is there, but it is not what the change means.
    """

    DONE = "done"
    ABSENT = "absent"
    HALF = "half"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class _FoundIndex:
    is_usable: bool
    is_same: bool
    oid: int


def state_of(connection: Connection, change: Change) -> ChangeState:
    """Return where the change stands now. Raises SourceError."""
    match change:
        case CreateIndex():
            return _index_state(connection, change, if_usable=ChangeState.DONE, if_gone=ChangeState.ABSENT)
        case DropIndex():
            return _index_state(connection, change, if_usable=ChangeState.ABSENT, if_gone=ChangeState.DONE)
        case CreateStatistics():
            return _statistics_state(connection, change, if_there=ChangeState.DONE, if_gone=ChangeState.ABSENT)
        case DropStatistics():
            return _statistics_state(connection, change, if_there=ChangeState.ABSENT, if_gone=ChangeState.DONE)
        case SetSetting():
            held = held_setting(connection, change)
            return ChangeState.DONE if held == change.value else ChangeState.ABSENT
        case SetStatisticsTarget() | SetDistinct():
            return _column_state(connection, change)
        case RestoreStatistics():
            found = read_statistics(connection, change.schema, change.table, change.columns)
            is_done = found is not None and columns_digest(found) == change.columns_sha256
            return ChangeState.DONE if is_done else ChangeState.ABSENT
        case RebuildIndex():
            return _rebuild_state(connection, change)
        case LeaveIndex():
            return ChangeState.DONE
        case _:
            assert_never(change)


def rebuild_leftovers(connection: Connection, change: RebuildIndex) -> list[str]:
    """Return the names of the invalid indexes that a broken-off rebuild left in the index's schema. Raises SourceError.

    A rebuild begins only where there are none, so none of an earlier one is taken for its own.
    """
    rows = _rows(connection, "rebuild_leftovers", (change.schema, change.table, change.name))
    return [str(row[0]) for row in rows]


def held_setting(connection: Connection, change: SetSetting) -> str | None:
    """Return what ALTER DATABASE/ROLE/FUNCTION SET holds for the setting now, exactly as it was given, or None."""
    if change.scope == "function":
        rows = _rows(connection, "function_setting_state", (change.scope_name, change.name))
    else:
        in_one = change.scope == "role_in_database"
        name, database = change.role_and_database if in_one else (change.scope_name, "")
        rows = _rows(connection, "setting_state", (change.scope, name, change.name, database))
    return str(rows[0][0]) if rows else None


def made_object(connection: Connection, change: Change) -> dict[str, int]:
    """Return by what the ledger knows the index or statistics object that was made: {"object_oid": ...}, or {}.

    Of a setting for a function it is the function's.
    """
    match change:
        case CreateIndex():
            index = _index(connection, change)
            return {"object_oid": index.oid} if index is not None and index.is_same else {}
        case CreateStatistics():
            rows = _rows(connection, "statistics_state", (change.schema, change.name))
            return {"object_oid": int(str(rows[0][-1]))} if rows else {}
        case SetSetting(scope="function"):
            rows = _rows(connection, "function_oid", (change.scope_name,))
            return {"object_oid": int(str(rows[0][0]))} if rows else {}
        case _:
            return {}


def name_of_index(connection: Connection, oid: int, table_oid: int) -> tuple[str, str, str] | None:
    """Return (schema, name, tail) of the index now, or None when there is no such index on that table."""
    for schema, name in _rows(connection, "index_name", (oid, table_oid)):
        for _, _, _, tail, _ in _rows(connection, "index_state", (schema, name)):
            return (str(schema), str(name), tail) if isinstance(tail, str) else None
    return None


def name_of_statistics(connection: Connection, oid: int, table_oid: int) -> tuple[str, str, tuple[str, ...]] | None:
    """Return (schema, name, columns) of the statistics object now, or None when there is none on that table."""
    for schema, name in _rows(connection, "statistics_name", (oid, table_oid)):
        for _, _, columns, _, _ in _rows(connection, "statistics_state", (schema, name)):
            return str(schema), str(name), tuple(sorted(_as_set(columns)))
    return None


def name_of_function(connection: Connection, oid: int) -> str | None:
    """Return the function's signature now, as a SetSetting names it, or None when there is no such function."""
    rows = _rows(connection, "function_name", (oid,))
    return str(rows[0][0]) if rows else None


def build_in_progress(connection: Connection, schema: str, table: str) -> int | None:
    """Return the pid of another client that holds the lock of index work on the table, or None."""
    return _first_pid(connection, "index_build", (qualified(schema, table),))


def blocker(connection: Connection, change: Change, older_than_ms: int) -> int | None:
    """Return the pid of a client whose open transaction concurrent index work would wait for, or None.

    Only transactions older than `older_than_ms` count: younger ones may end in time.
    """
    if not isinstance(change, CreateIndex | DropIndex | RebuildIndex):
        return None
    table = qualified(change.schema, change.table)
    # A rebuild waits as a build does, and then as the drop of the old index does.
    drops = {CreateIndex: (False,), DropIndex: (True,), RebuildIndex: (False, True)}[type(change)]
    pids = (_first_pid(connection, "index_blocker", (table, older_than_ms, is_drop)) for is_drop in drops)
    return next((pid for pid in pids if pid is not None), None)


def own_session(connection: Connection) -> dict[str, object]:
    """Return by what the ledger knows this session, should it outlive its client."""
    pid, started_at = _rows(connection, "own_session", ())[0]
    return {"pid": int(str(pid)), "started_at": str(started_at)}


def session_at_work(connection: Connection, pid: int, started_at: str) -> bool:
    """True when that session of an earlier program still does something: the server works on for a dead client."""
    return _first_pid(connection, "session_at_work", (pid, started_at)) is not None


def _index_state(
    connection: Connection, change: CreateIndex | DropIndex, *, if_usable: ChangeState, if_gone: ChangeState
) -> ChangeState:
    found = _index(connection, change)
    if found is None:
        return if_gone
    if not found.is_same:
        return ChangeState.FOREIGN
    return if_usable if found.is_usable else ChangeState.HALF


def _rebuild_state(connection: Connection, change: RebuildIndex) -> ChangeState:
    if rebuild_leftovers(connection, change):
        return ChangeState.HALF
    for is_usable, schema, table, _, oid in _rows(connection, "index_state", (change.schema, change.name)):
        if (schema, table) != (change.schema, change.table):
            return ChangeState.FOREIGN
        if oid == change.oid:
            return ChangeState.ABSENT
        return ChangeState.DONE if is_usable else ChangeState.FOREIGN
    return ChangeState.ABSENT


def _index(connection: Connection, change: CreateIndex | DropIndex) -> _FoundIndex | None:
    rows = _rows(connection, "index_state", (change.schema, change.name))
    if not rows:
        return None
    is_usable, schema, table, tail, oid = rows[0]
    is_same = (schema, table) == (change.schema, change.table) and is_same_tail(change.tail, tail)
    return _FoundIndex(bool(is_usable), is_same, int(str(oid)))


def is_same_tail(wanted: str, found: object) -> bool:
    """Return True when both define the same index.

    The server writes a definition in its own words (no needless quotes, no defaults), so plain ones are read. Where the
    definition was erased, or lost, nothing tells them apart: then the name has to do.
    """
    if not isinstance(found, str):
        return False
    if wanted == ERASED:
        return True
    shape = shape_of_tail(wanted)
    return wanted == found or (shape is not None and shape == shape_of_tail(found))


def _statistics_state(
    connection: Connection,
    change: CreateStatistics | DropStatistics,
    *,
    if_there: ChangeState,
    if_gone: ChangeState,
) -> ChangeState:
    rows = _rows(connection, "statistics_state", (change.schema, change.name))
    if not rows:
        return if_gone
    schema, table, columns, kinds, _ = rows[0]
    is_same = (
        (schema, table) == (change.schema, change.table)
        and _as_set(columns) == set(change.columns)
        and _as_set(kinds) == set(change.kinds)
    )
    return if_there if is_same else ChangeState.FOREIGN


def _column_state(connection: Connection, change: SetStatisticsTarget | SetDistinct) -> ChangeState:
    rows = _rows(connection, "column_state", (change.schema, change.table, change.column))
    if not rows:
        return ChangeState.ABSENT
    target, distinct, inherited = rows[0]
    if isinstance(change, SetStatisticsTarget):
        is_held = target == change.target
    else:
        is_held = (inherited if change.is_inherited else distinct) == change.distinct
    return ChangeState.DONE if is_held else ChangeState.ABSENT


def _as_set(value: object) -> set[str]:
    return {str(item) for item in value} if isinstance(value, list) else set()


def _first_pid(connection: Connection, name: str, parameters: tuple[object, ...]) -> int | None:
    rows = _rows(connection, name, parameters)
    return int(str(rows[0][0])) if rows else None


def _rows(connection: Connection, name: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
    try:
        text = queries.load(name, connection.info.server_version)
        return connection.execute(text.encode(), parameters).fetchall()
    except psycopg.Error as error:
        raise source_error(error) from None
