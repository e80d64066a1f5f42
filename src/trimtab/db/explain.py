"""Asks PostgreSQL for the plan of a query, with its parameters, as a generic plan, or by running it.

Whatever was set or written for it is rolled back before this returns, on success and on failure, inside a transaction
or outside of one. Decides nothing about the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow, tuple_row

from trimtab.db.connection import Connection
from trimtab.db.failures import QueryTimeout, ServerError, source_error
from trimtab.db.parser import statement_count
from trimtab.db.pipeline import Statement
from trimtab.errors import WorkloadError
from trimtab.model.plan import Plan
from trimtab.model.workload import Query

__all__ = ["QueryTimeout", "ServerError", "explain", "explain_statements", "text_of"]

_GENERIC_PLAN_SINCE = 160000
_PREPARED = '"trimtab generic plan"'
_OPTIONS = "FORMAT JSON, VERBOSE"
_BRIEF = "FORMAT JSON"
"""Writing the outputs of each node takes the server longer than all else beside planning."""

GENERIC_SETTING = Statement("select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)")
GENERIC_FORGET = Statement(f"DEALLOCATE {_PREPARED}")


def explain(
    conn: Connection,
    query: Query,
    *,
    analyze: bool = False,
    generic: bool | None = None,
    settings: Mapping[str, str] | None = None,
    is_undone: bool = False,
) -> Plan:
    """Return the plan of `query`; with `analyze` it is run, timed as a whole, and its writes are rolled back.

    A query with values for its `$n` is planned for these values; without, or with `generic`, for any values. `settings`
    hold for this plan alone. With `is_undone` the caller rolls everything back, and nothing is done for it here: an
    error then leaves the transaction failed. Raises QueryTimeout (`query.timeout`), ServerError as `source_error` maps
    it, and WorkloadError `query.not_runnable` when values are needed and there are none.
    """
    is_generic = planned_generic(query, generic)
    if analyze and is_generic:
        raise _not_runnable(query)
    needs_prepare = is_generic and conn.info.server_version < _GENERIC_PLAN_SINCE
    try:
        scope = nullcontext() if is_undone else _scope(conn, is_needed=analyze or needs_prepare or bool(settings))
        with scope:
            for name, value in (settings or {}).items():
                conn.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
            if needs_prepare:
                return _explain_prepared(conn, query)
            return _explain_generic(conn, query) if is_generic else _explain_bound(conn, query, analyze)
    except ValueError:
        raise no_plan(query) from None
    except psycopg.Error as exc:
        raise source_error(exc) from None
    finally:
        if needs_prepare:
            _forget_prepared(conn)


def planned_generic(query: Query, generic: bool | None) -> bool:
    """Return whether the query is planned for any values; `generic` and WorkloadError as with `explain`."""
    is_generic = query.parameter_count > 0 and (not query.is_runnable if generic is None else generic)
    if not is_generic and not query.is_runnable:
        raise _not_runnable(query)
    return is_generic


def explain_statements(query: Query, *, is_generic: bool, is_brief: bool = False) -> list[Statement]:
    """Return what to send in a pipeline for the query's plan, in a transaction that is rolled back.

    A generic plan needs GENERIC_SETTING in force, and leaves GENERIC_FORGET to be sent when the pipeline fails.
    `is_brief` leaves out what each node returns, and the schemas of its relations.
    """
    options = _BRIEF if is_brief else _OPTIONS
    if not is_generic:
        return [Statement(f"EXPLAIN ({options}) {query.text}", query.parameters)]
    # The extended protocol, which a pipeline is, wants values for what GENERIC_PLAN leaves open, and plans for them.
    nulls = ", ".join(["NULL"] * query.parameter_count)
    return [
        Statement(f"PREPARE {_PREPARED} AS {query.text}"),
        Statement(f"EXPLAIN ({options}) EXECUTE {_PREPARED}({nulls})"),
        GENERIC_FORGET,
    ]


def text_of(results: Sequence[PGresult]) -> str:
    """Return the text that EXPLAIN gave, out of the results of `explain_statements`."""
    told = next(result for result in results if result.nfields)
    # HypoPG cuts the name of an index wherever its 63 bytes end, in the middle of a character too.
    return (told.get_value(0, 0) or b"").decode(errors="replace")


def no_plan(query: Query) -> WorkloadError:
    """Return the error for a statement that has no plan, as a utility statement or what a rule makes of one."""
    return WorkloadError(
        f"query {query.name} has no plan: the server plans nothing for it",
        code="query.no_plan",
        next_step="Leave it out: no index and no setting matters to it.",
    )


def _not_runnable(query: Query) -> WorkloadError:
    return WorkloadError(
        f"query {query.name} cannot be run: it has {query.parameter_count} parameters and no values for them",
        code="query.not_runnable",
        next_step="Give values for the parameters, or let Trimtab draw them from the planner's statistics.",
    )


@contextmanager
def _scope(conn: Connection, *, is_needed: bool) -> Iterator[None]:
    """A transaction or savepoint that is always rolled back; nothing when nothing could need it."""
    if not is_needed and conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE:
        yield
        return
    with conn.transaction(force_rollback=True):
        yield


def _explain_bound(conn: Connection, query: Query, analyze: bool) -> Plan:
    options = _OPTIONS + (", ANALYZE, BUFFERS, TIMING OFF" if analyze else "")
    cursor = _cursor(conn)
    # A binary result makes psycopg use the extended protocol, which refuses a second statement in the text.
    cursor.execute(f"EXPLAIN ({options}) {query.text}".encode(), query.parameters, binary=True)
    return _plan(cursor)


def _explain_generic(conn: Connection, query: Query) -> Plan:
    """Only the simple protocol leaves `$n` open, and it would run a second statement: that is checked here."""
    if statement_count(query.text) != 1:
        raise WorkloadError(
            f"query {query.name} is refused: its text is not one statement",
            code="sql.several_statements",
            next_step="Split the text into single statements.",
        )
    cursor = _cursor(conn)
    cursor.execute(f"EXPLAIN (GENERIC_PLAN, {_OPTIONS}) {query.text}".encode())
    return _plan(cursor)


def _explain_prepared(conn: Connection, query: Query) -> Plan:
    conn.execute("select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)")
    cursor = _cursor(conn)
    cursor.execute(f"PREPARE {_PREPARED} AS {query.text}".encode(), binary=True)
    nulls = ", ".join(["NULL"] * query.parameter_count)
    cursor.execute(f"EXPLAIN ({_OPTIONS}) EXECUTE {_PREPARED}({nulls})".encode(), binary=True)
    return _plan(cursor)


def _forget_prepared(conn: Connection) -> None:
    """Prepared statements outlive a rollback. It is not there when PREPARE itself failed."""
    usable = (TransactionStatus.IDLE, TransactionStatus.INTRANS)
    if conn.closed or conn.info.transaction_status not in usable:
        return
    with suppress(psycopg.Error), _scope(conn, is_needed=False):
        conn.execute(f"DEALLOCATE {_PREPARED}".encode())


def _cursor(conn: Connection) -> psycopg.RawCursor[TupleRow]:
    return psycopg.RawCursor(conn, row_factory=tuple_row)


def _plan(cursor: psycopg.RawCursor[TupleRow]) -> Plan:
    assert cursor.pgresult is not None, "EXPLAIN returns one row"
    return Plan.unread(text_of([cursor.pgresult]))
