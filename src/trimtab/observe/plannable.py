"""Sorts out the queries that the source cannot plan as we are connected: another search_path, a table gone, no right.

A query with drawn values that do not fit is planned without them. A write that this role may not carry out stays, as
long as it may read the tables: it is planned on the twin and run in the lab. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.db.failures import ServerError
from trimtab.db.parser import UnreadableSqlError, parse
from trimtab.errors import EmptyWorkloadError, SourceError, WorkloadError
from trimtab.model.workload import Query, Skipped, Workload
from trimtab.observe.names import relations_of
from trimtab.observe.reading import read
from trimtab.observe.relations import relation_oids

_PERMISSION = "42501"
_WAITED = ("57014", "55P03")  # for longer than the session's statement_timeout or lock_timeout
_LOST = ("source.unreachable", "source.authentication", "source.busy")


def check_plannable(
    conn: Connection, workload: Workload, progress: Callable[[int, int], None] | None = None
) -> Workload:
    """Return the workload with the queries that cannot be planned moved to skipped, as `query.unplannable`.

    As `query.timeout` where they waited too long, for the lock of another session mostly. `progress` is told (done,
    total). The connection's statement_timeout limits each. Raises SourceError when the server
    is lost, and EmptyWorkloadError when nothing is left.
    """
    kept: list[Query] = []
    skipped: list[Skipped] = []
    for done, query in enumerate(workload.queries):
        if progress is not None:
            progress(done, len(workload.queries))
        planned = _planned(conn, query)
        if isinstance(planned, Query):
            kept.append(planned)
        else:
            skipped.append(_skipped(query, planned))
    every = (*workload.skipped, *skipped)
    if not kept:
        raise _empty(len(skipped), every)
    return replace(workload, queries=tuple(kept), skipped=every)


def _planned(conn: Connection, query: Query) -> Query | SourceError | WorkloadError:
    """Return the query in the form in which it can be planned, or why it cannot."""
    failure = _failure(conn, query)
    if failure is None:
        return query
    if query.is_synthetic:
        open_query = replace(query, parameters=(), is_synthetic=False)
        if _failure(conn, open_query) is None:
            return open_query
    is_forbidden = isinstance(failure, ServerError) and failure.sqlstate == _PERMISSION
    return query if is_forbidden and not query.is_read and _may_read_tables(conn, query) else failure


def _failure(conn: Connection, query: Query) -> SourceError | WorkloadError | None:
    try:
        explain(conn, query)
    except (SourceError, WorkloadError) as error:
        if error.code in _LOST or conn.closed:
            raise
        return error
    return None


def _may_read_tables(conn: Connection, query: Query) -> bool:
    try:
        tables = relations_of(parse(query.text))
    except UnreadableSqlError:
        return False
    oids = relation_oids(conn, tables)
    rows = read(conn, "may_select", (list(oids.values()),))
    return len(oids) == len(tables) and bool(rows[0]["may_select"])


def _skipped(query: Query, error: SourceError | WorkloadError) -> Skipped:
    is_slow = isinstance(error, ServerError) and error.sqlstate in _WAITED
    code = "query.timeout" if is_slow else "query.unplannable"
    return Skipped(query.name, query.normalized_text, query.weight, code, str(error))


def _empty(unplanned: int, every: Sequence[Skipped]) -> EmptyWorkloadError:
    found = f"; the first: {every[-unplanned].reason}" if unplanned else ""
    return EmptyWorkloadError(
        f"there is no workload: none of its {unplanned} queries can be planned on this database{found}",
        next_step="Check the database, its search_path and this role's rights, then run again.",
        left_out=[one.why for one in every],
    )
