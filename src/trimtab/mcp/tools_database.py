"""The tools that look at databases: which there are, how they are, what is heavy, a query, its plans.

They answer in a moment and write nothing. Their descriptions are the docstrings: fixed words, without any of a
database's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from trimtab import api, api_agents
from trimtab.anchor.force import reference
from trimtab.db.dsn import describe
from trimtab.errors import TrimtabError, UsageError
from trimtab.lifecycle.looking import HeavyQuery, QueryNow
from trimtab.mcp.answering import Offer
from trimtab.mcp.answers import (
    AnchoredLevel,
    DatabaseEntry,
    Fleet,
    Health,
    Monitored,
    MonitoredDatabase,
    PlanComparison,
    PlanShown,
    QueryDetail,
    ReadRows,
    TopQueries,
    TopQuery,
)
from trimtab.mcp.arguments import AnchorId, Cursor, Database, Limit, QueryId, SpecId
from trimtab.mcp.collected import collected, collected_queries, collected_states, last_day
from trimtab.mcp.desk import CONFIGURED, Desk
from trimtab.mcp.noted import Noted
from trimtab.mcp.paging import page
from trimtab.model.anchor import Anchor, QueryLevel
from trimtab.model.catalog import ServerIdentity

_NOW = "now"


@dataclass(frozen=True, slots=True)
class DatabaseTools:
    """The tools, over one desk."""

    desk: Desk

    def offers(self) -> list[Offer]:
        """Return them in their order; `run_read` only where it was switched on."""
        found = [
            Offer(self.fleet_list, "List the databases"),
            Offer(self.health, "How a database is now"),
            Offer(self.monitor_optimization, "Monitor all databases"),
            Offer(self.monitor_db_optimization, "Monitor the databases under one specification"),
            Offer(self.top_queries, "The heaviest queries"),
            Offer(self.query_detail, "One query"),
            Offer(self.plan_compare, "Compare two plans of a query"),
        ]
        return [*found, Offer(self.run_read, "Run one read")] if self.desk.allows_sql else found

    def fleet_list(self, limit: Limit = 50, cursor: Cursor = None) -> Fleet:
        """List the databases and the workload files that other tools take by name. No server is asked."""
        view = Noted.read(self.desk.viewer, self.desk.ledger_path)
        states = collected_states(self.desk.config)
        entries, following = page(
            self.desk.names,
            lambda name: self._entry(name, view, states.get(name, "not collected")),
            of="fleet_list",
            cursor=cursor,
            limit=limit,
        )
        return Fleet(databases=entries, workloads=sorted(self.desk.config.workloads), next_cursor=following)

    def health(self, database: Database) -> Health:
        """Tell how a database is at this moment: sessions, waits, cache, size, alarms, what Trimtab changed there."""
        return self._health(database, Noted.read(self.desk.viewer, self.desk.ledger_path))

    def monitor_optimization(
        self,
        databases: Annotated[list[Database] | None, Field(max_length=100, description="null: all of them")] = None,
        limit: Annotated[int, Field(ge=1, le=10)] = 5,
        cursor: Cursor = None,
    ) -> Monitored:
        """Tell how databases are now, those that cannot be reached too, and whether what was applied complied."""
        return self._monitored(databases, CONFIGURED, limit, cursor, of="monitor_optimization")

    def monitor_db_optimization(
        self,
        spec_id: SpecId = CONFIGURED,
        limit: Annotated[int, Field(ge=1, le=10)] = 5,
        cursor: Cursor = None,
    ) -> Monitored:
        """Tell the same as monitor_optimization of all databases, and name the specification of that id."""
        return self._monitored(None, spec_id, limit, cursor, of="monitor_db_optimization")

    def top_queries(
        self,
        database: Database,
        order_by: Literal["total_ms", "calls", "mean_ms"] = "total_ms",
        limit: Limit = 20,
        cursor: Cursor = None,
        window_seconds: Annotated[
            int | None, Field(ge=60, le=31_536_000, description="null: what the server has counted so far.")
        ] = None,
    ) -> TopQueries:
        """List the heaviest queries: as the server counts them now, or of a window that `trimtab collect` kept."""
        self.desk.database(database)
        if window_seconds is not None:
            return collected_queries(self.desk.config, database, window_seconds, order_by, cursor=cursor, limit=limit)
        found = api_agents.heaviest_queries(self.desk.dsn(database))
        ordered = sorted(found.queries, key=lambda heavy: -_figure(heavy, order_by))
        queries, following = page(ordered, _query, of=f"top_queries {order_by}", cursor=cursor, limit=limit)
        return TopQueries(
            database=database,
            source="pg_stat_statements",
            counted_since=found.since,
            measured_seconds=None,
            order_by=order_by,
            queries=queries,
            next_cursor=following,
        )

    def query_detail(self, database: Database, query_id: QueryId) -> QueryDetail:
        """Tell all of one query: its counters, its plan of now (planned, not run), the level that an anchor holds."""
        found = api_agents.query_now(self.desk.dsn(database), query_id)
        anchor = self._reference(found.server)
        level = None if anchor is None else anchor.query(query_id)
        plan = _plan_of_now(found)
        held = None if anchor is None or level is None else _plan_of(anchor, level, is_generic=found.is_generic)
        return QueryDetail(
            database=database,
            counted_since=found.since,
            query=_query(found.heavy),
            plan=plan,
            why_no_plan=found.why_no_plan,
            level=None if anchor is None or level is None else _level(anchor, level),
            is_anchored_plan=_is_same(held, plan),
            last_day=last_day(self.desk.config, database, query_id),
        )

    def plan_compare(
        self,
        database: Database,
        query_id: QueryId,
        earlier: AnchorId = "latest",
        later: Annotated[str, Field(pattern=r"^(now|latest|[A-Za-z0-9-]{4,64})$")] = _NOW,
    ) -> PlanComparison:
        """Compare the plan that an anchor holds of a query with that of another anchor, or with the plan of now."""
        dsn = self.desk.dsn(database)
        found = api_agents.query_now(dsn, query_id) if later == _NOW else None
        server = api_agents.health_now(dsn).server if found is None else found.server
        is_generic = None if found is None else found.is_generic
        before, then = self._anchored(earlier, query_id, server, is_generic)
        after, level = None if found is None else _plan_of_now(found), None
        if found is None:
            after, level = self._anchored(later, query_id, server, None)
        shown = after or PlanShown(of=later, shape="", lines=[], cost=None, is_generic=False, note="it has no plan")
        one, other = set(before.lines), set(shown.lines)
        return PlanComparison(
            database=database,
            query_id=query_id,
            earlier=before,
            later=shown,
            is_same=_is_same(before, shown),
            only_earlier=[line for line in before.lines if line not in other],
            only_later=[line for line in shown.lines if line not in one],
            earlier_level=then,
            later_level=level,
        )

    def run_read(
        self,
        database: Database,
        sql: Annotated[str, Field(min_length=1, max_length=8_000, description="One SELECT; schemas are written out.")],
        limit: Limit = 50,
    ) -> ReadRows:
        """Run one SELECT that only reads, as a role that may only read, and return its first rows, which are data."""
        found = api_agents.run_read(self.desk.dsn(database), sql, max_rows=limit)
        return ReadRows(
            database=database,
            columns=list(found.columns),
            rows=[list(row) for row in found.rows],
            is_cut=found.is_cut,
        )

    def _entry(self, name: str, view: Noted, collected_state: str) -> DatabaseEntry:
        entry, known = self.desk.database(name), self.desk.name_on_server(name)
        return DatabaseEntry(
            database=name,
            where=describe(entry.conninfo),
            standbys=len(entry.standbys),
            changes_standing=None if known is None else view.standing(known),
            proposals_waiting=None if known is None else view.waiting(known),
            watch_state="not watched" if known is None else view.watch_state(known),
            open_alarms=0 if known is None else len(view.alarms(known)),
            collected_state=collected_state,
        )

    def _health(self, name: str, view: Noted) -> Health:
        found = api_agents.health_now(self.desk.dsn(name))
        server, known = found.server, set(Health.model_fields)
        figures = {key: value for key, value in found.figures.items() if key in known}
        return Health(
            database=name,
            reachable=True,
            why_not="",
            version=server.version_text,
            is_standby=server.is_standby,
            started_at=server.started_at,
            watch_state=view.watch_state(server.database),
            open_alarms=view.alarms(server.database),
            changes_standing=view.standing(server.database),
            proposals_waiting=view.waiting(server.database),
            changes_are_frozen=view.is_frozen(server.database),
            **figures,  # type: ignore[arg-type]
        )

    def _monitored(
        self, names: list[str] | None, spec_id: str, limit: int, cursor: str | None, *, of: str
    ) -> Monitored:
        view = Noted.read(self.desk.viewer, self.desk.ledger_path)
        specification = api.get_spec(self.desk.spec(spec_id), ledger_path=self.desk.ledger_path)
        for name in names or ():
            self.desk.database(name)
        databases, following = page(
            names or self.desk.names, lambda name: self._now(name, view), of=of, cursor=cursor, limit=limit
        )
        complied = self.desk.looks.of(view.view)
        return Monitored(
            read_at=datetime.now(UTC).isoformat(timespec="seconds"),
            databases=databases,
            spec_id=specification.id,
            applied_changes=complied.looked,
            compliant_share=complied.share,
            judged_by_specification=complied.whole,
            next_cursor=following,
        )

    def _now(self, name: str, view: Noted) -> MonitoredDatabase:
        try:
            now = self._health(name, view)
        except TrimtabError as error:
            now = Health(database=name, reachable=False, why_not=error.code)
        return MonitoredDatabase(now=now, collected=collected(self.desk.config, name))

    def _reference(self, server: ServerIdentity) -> Anchor | None:
        return reference(self.desk.anchors.standings(), server.of_database, is_standby=server.is_standby)

    def _anchored(
        self, name: str, query_id: str, server: ServerIdentity, is_generic: bool | None
    ) -> tuple[PlanShown, AnchoredLevel | None]:
        """Return the plan that an anchor of this database holds. Raises AnchorError, UsageError `mcp.anchor`."""
        path = self.desk.ledger_path
        anchor = self._reference(server) if name == "latest" else api.anchor(name, ledger_path=path).anchor
        if anchor is None or anchor.server != server.of_database:
            raise UsageError(
                "this database has no such anchor",
                code="mcp.anchor",
                next_step="anchors_check lists its anchors; anchor_performance takes one.",
            )
        level = anchor.query(query_id)
        if level is None:
            note = "the anchor does not have this query"
            return PlanShown(of=anchor.id, shape="", lines=[], cost=None, is_generic=False, note=note), None
        wants_generic = bool(level.generic_shape) if is_generic is None else is_generic
        return _plan_of(anchor, level, is_generic=wants_generic), _level(anchor, level)


def _figure(heavy: HeavyQuery, order_by: str) -> float:
    return {"calls": heavy.calls, "mean_ms": _mean(heavy)}.get(order_by, heavy.total_ms)


def _mean(heavy: HeavyQuery) -> float:
    return heavy.total_ms / heavy.calls if heavy.calls else 0.0


def _query(heavy: HeavyQuery) -> TopQuery:
    return TopQuery(
        query_id=heavy.query.id,
        text=heavy.query.normalized_text,
        kind=heavy.query.kind.value,
        calls=heavy.calls,
        total_ms=round(heavy.total_ms, 3),
        mean_ms=round(_mean(heavy), 4),
        share=round(heavy.share, 6),
    )


def _plan_of_now(found: QueryNow) -> PlanShown | None:
    if found.plan is None:
        return None
    return PlanShown(
        of=_NOW, shape=found.plan.hash, lines=list(found.plan.lines), cost=found.cost, is_generic=found.is_generic
    )


def _plan_of(anchor: Anchor, level: QueryLevel, *, is_generic: bool) -> PlanShown:
    kept, shape = (
        (level.generic_plan, level.generic_shape)
        if is_generic and level.generic_shape
        else (level.plan, level.plan_shape)
    )
    return PlanShown(
        of=anchor.id,
        shape=shape,
        lines=[] if kept is None else list(kept.lines),
        cost=level.cost or None,
        is_generic=is_generic and bool(level.generic_shape),
    )


def _level(anchor: Anchor, level: QueryLevel) -> AnchoredLevel:
    return AnchoredLevel(
        anchor_id=anchor.id,
        p50_ms=level.p50_ms if level.runs else None,
        p90_ms=level.p90_ms if level.runs else None,
        runs=level.runs,
        calls=None if level.counted is None else level.counted.calls,
        mean_ms=None if level.counted is None else level.counted.mean_ms,
    )


def _is_same(one: PlanShown | None, other: PlanShown | None) -> bool | None:
    if one is None or other is None or not one.shape or not other.shape or one.is_generic != other.is_generic:
        return None
    return one.shape == other.shape
