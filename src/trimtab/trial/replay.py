"""Runs or plans one query in one arm, inside savepoints that are always rolled back.

The arm's steps, the query and its writes leave nothing behind in the lab's transaction. A plain EXPLAIN in the same arm
goes before the run, so that both arms start with warm catalog caches. It never judges what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trimtab.errors import LabError, TrimtabError, WorkloadError
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.trial.arms import Arm, Step
from trimtab.trial.measurement import Measurement

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

# States of the machine, not of the query: out of disk or memory, shutdown, deadlock, lock timeout.
_OF_THE_LAB = ("53", "57P", "58", "08", "55P03", "40", "25")


@contextmanager
def guarded(connection: Connection) -> Iterator[None]:
    """Turn the loss of the lab's connection into LabError `lab.connection_lost`; other errors pass."""
    import psycopg

    try:
        yield
    except (psycopg.Error, TrimtabError) as error:
        if isinstance(error, LabError) or not (connection.closed or connection.broken):
            raise
        raise LabError(
            "the trial broke off: the connection to the lab was lost",
            code="lab.connection_lost",
            next_step="Nothing was changed on the source; check the lab's server log, then run again.",
        ) from None


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Hold a savepoint of the open transaction that is rolled back at the end, whatever happens."""
    with guarded(connection), connection.transaction(force_rollback=True):
        yield


def enter(connection: Connection, arm: Arm) -> None:
    """Run the arm's steps. Raises ServerError when one cannot be done."""
    import psycopg

    from trimtab.db.failures import source_error

    try:
        for step in arm:
            _do(connection, step)
    except psycopg.Error as error:
        raise source_error(error) from None


def plans(connection: Connection, queries: Sequence[Query], arm: Arm) -> dict[str, Plan]:
    """Return the plan of each query in the arm, by id. Those that cannot be planned there are missing."""
    from trimtab.db.explain import ServerError, explain

    found: dict[str, Plan] = {}
    with undone(connection):
        enter(connection, arm)
        for query in queries:
            try:
                found[query.id] = explain(connection, query)
            except ServerError as error:
                _raise_if_of_the_lab(connection, error.sqlstate)
            except WorkloadError:
                continue
    return found


def run(connection: Connection, query: Query, arm: Arm, *, limit_ms: int) -> Measurement:
    """Run the query once in the arm and return what was seen; at most `limit_ms` of it.

    A timeout or an error of the query's own is a Measurement too. Raises LabError when the lab itself fails, and
    ServerError when a step of the arm cannot be done.
    """
    from trimtab.db.explain import QueryTimeout, ServerError, explain

    with undone(connection):
        enter(connection, arm)
        try:
            explain(connection, query, settings={"statement_timeout": str(limit_ms)}, is_undone=True)
            plan = explain(connection, query, analyze=True, is_undone=True)
        except QueryTimeout:
            return Measurement(float(limit_ms), None, timed_out=True)
        except ServerError as error:
            _raise_if_of_the_lab(connection, error.sqlstate)
            return Measurement(float(limit_ms), None, sqlstate=error.sqlstate)
    return Measurement(plan.total_ms, plan)


def _do(connection: Connection, step: Step) -> None:
    if step.setting is None:
        connection.execute(step.text.encode())
        return
    name, value = step.setting
    if value is None:
        from psycopg.sql import SQL, Identifier

        connection.execute(SQL("SET LOCAL {} TO DEFAULT").format(Identifier(name)))
    else:
        connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))


def _raise_if_of_the_lab(connection: Connection, sqlstate: str) -> None:
    if sqlstate and not connection.closed and not sqlstate.startswith(_OF_THE_LAB):
        return
    if connection.closed or connection.broken:
        code, found = "lab.connection_lost", "the connection to the lab was lost"
    else:
        code, found = "lab.failed", f"the lab itself failed (SQLSTATE {sqlstate})"
    raise LabError(
        f"the trial broke off: {found}",
        code=code,
        next_step="Nothing was changed on the source; look at the lab's server (disk, memory, log), then run again.",
    )
