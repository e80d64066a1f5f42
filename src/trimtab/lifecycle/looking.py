"""What one asks of a database at once, and is answered in a moment: how it is, what is heaviest, a query and its plan.

It reads counters and plans alone, in read-only sessions with short limits. No query of the workload is run, nothing is
judged, and nothing is written, on the server or here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from trimtab.db.connection import Connection
from trimtab.db.role import reading
from trimtab.errors import TrimtabError, UsageError
from trimtab.model.catalog import ServerIdentity
from trimtab.model.plan_shape import PlanShape
from trimtab.model.workload import Query

LIMIT_MS = 5_000
ENTRIES = 300
"""So many of the costliest entries of pg_stat_statements are read: what is beyond them is not heavy."""


@dataclass(frozen=True, slots=True)
class HealthNow:
    """Which server it is, and its figures by name; None where the role may not see one, or the server does not tell."""

    server: ServerIdentity
    figures: Mapping[str, int | float | str | None]


@dataclass(frozen=True, slots=True)
class HeavyQuery:
    """A query, how often it ran and how long that took together, in ms, and its share of all that are told."""

    query: Query
    calls: float
    total_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class Heaviest:
    """The queries, the heaviest first; `since` is when the server began to count, None where nobody knows."""

    queries: tuple[HeavyQuery, ...]
    since: str | None

    def find(self, query_id: str) -> HeavyQuery:
        """Return the query of that id. Raises UsageError `query.unknown`."""
        for found in self.queries:
            if found.query.id == query_id:
                return found
        raise UsageError(
            f"query {query_id} is not among the heaviest of this database now",
            code="query.unknown",
            next_step="Ask for the heaviest queries, and name one of these.",
        )


@dataclass(frozen=True, slots=True)
class QueryNow:
    """A heavy query and its plan of now: that for any parameters where it has some. `why_no_plan` is "" with a plan."""

    heavy: HeavyQuery
    since: str | None
    server: ServerIdentity
    plan: PlanShape | None
    cost: float | None
    is_generic: bool
    why_no_plan: str


def health_now(conninfo: str) -> HealthNow:
    """Return how the database is now. Raises SourceError."""
    from trimtab.observe.reading import read
    from trimtab.observe.server import read_server

    with closing(reading(conninfo, statement_timeout_ms=LIMIT_MS)) as source:
        [row] = read(source, "health_now")
        return HealthNow(read_server(source), dict(row))


def heaviest(conninfo: str) -> Heaviest:
    """Return the heaviest queries of the database, by total time. Raises SourceError."""
    with closing(reading(conninfo, statement_timeout_ms=LIMIT_MS)) as source:
        return _heaviest(source)


def query_now(conninfo: str, query_id: str) -> QueryNow:
    """Return one of the heaviest queries with its plan; it is planned, never run. Raises SourceError, UsageError."""
    from trimtab.db.explain import explain, planned_generic
    from trimtab.model.plan_shape import plan_shape
    from trimtab.observe.parents import read_parents
    from trimtab.observe.server import read_server

    with closing(reading(conninfo, statement_timeout_ms=LIMIT_MS)) as source:
        found = _heaviest(source)
        heavy, server = found.find(query_id), read_server(source)
        is_generic = planned_generic(heavy.query, None)
        try:
            plan = explain(source, heavy.query)
        except TrimtabError as error:
            return QueryNow(heavy, found.since, server, None, None, is_generic, f"it cannot be planned ({error.code})")
        shape = plan_shape(plan, read_parents(source))
        return QueryNow(heavy, found.since, server, shape, plan.cost, is_generic, "")


def _heaviest(source: Connection) -> Heaviest:
    from trimtab.observe.statements import heaviest_statements

    found, since = heaviest_statements(source, ENTRIES)
    total = sum(heavy.total_ms for heavy in found) or 1.0
    return Heaviest(tuple(HeavyQuery(h.query, h.calls, h.total_ms, h.total_ms / total) for h in found), since)
