"""Asks the source which plan it chooses now, and tells whether that is the anchored one. Plans; never runs a query.

A session plans with its own role's settings. What holds for another role is set for the one plan that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import psycopg

from trimtab.anchor.lease import Expected
from trimtab.db.connection import Connection, source_error
from trimtab.db.explain import explain
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change, SetSetting, quote_literal
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import plan_shape, renamed
from trimtab.model.workload import Query

Parents: TypeAlias = Mapping[tuple[str, str], tuple[str, str]]

EXECUTIONS = 7
"""PostgreSQL chooses for good after the fifth execution of a prepared statement; the sixth and seventh show what."""
_PREPARED = '"trimtab held plan"'


def shape_now(
    connection: Connection,
    query: Query,
    expected: Expected,
    settings: Mapping[str, str],
    parents: Parents | None = None,
) -> str:
    """Return the shape of the plan that is chosen with these settings, as anchors have it.

    `parents` are as in `plan_shape`. Raises SourceError, WorkloadError.
    """
    if expected.mode == "prepared" and query.parameter_count and query.is_runnable:
        plan = _prepared(connection, query, settings)
    else:
        is_generic = expected.mode == "generic" if query.parameter_count else None
        plan = explain(connection, query, generic=is_generic, settings=settings)
    return shape_under_names(plan, expected.index_names or {}, parents)


def shape_under_names(plan: Plan, index_names: Mapping[str, str], parents: Parents | None = None) -> str:
    """Return the plan's shape as it would be if these indexes had the other names."""
    return plan_shape(renamed(plan, index_names), parents).hash


def settings_for(snapshot: Snapshot, role: str, changes: Sequence[Change]) -> dict[str, str]:
    """Return what a session of that role would plan with that ours does not, "" for our own role.

    Only what a session may set is among it. A setting for a function is in force while that runs: it is among it too.
    """
    found: dict[str, str] = {}
    if role:
        database = snapshot.server.database
        scopes = ("all roles", f"database:{database}", f"role:{role}", f"role:{role}@database:{database}")
        for scope in scopes:
            found |= {name: value for (where, name), value in snapshot.scoped_settings.items() if where == scope}
    for change in changes:
        if isinstance(change, SetSetting) and change.scope == "function" and change.value is not None:
            found[change.name] = change.value
    known = snapshot.settings
    return {
        name: value
        for name, value in found.items()
        if name == "plan_cache_mode" or (name in known and known[name].context == "user")
    }


def _prepared(connection: Connection, query: Query, settings: Mapping[str, str]) -> Plan:
    """Explain the execution of a prepared statement as often as it takes for the server to have made up its mind."""
    values = ", ".join("NULL" if value is None else quote_literal(value) for value in query.parameters)
    text = f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {_PREPARED}({values})".encode()
    try:
        with connection.transaction(force_rollback=True):
            for name, value in settings.items():
                connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
            connection.execute(f"PREPARE {_PREPARED} AS {query.text}".encode(), binary=True)
            try:
                for _ in range(EXECUTIONS):
                    result = connection.execute(text, binary=True).pgresult
            finally:
                if connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
                    connection.execute(f"DEALLOCATE {_PREPARED}".encode())
    except psycopg.Error as error:
        raise source_error(error) from None
    assert result is not None, "EXPLAIN returns one row"
    return Plan.unread((result.get_value(0, 0) or b"").decode())
