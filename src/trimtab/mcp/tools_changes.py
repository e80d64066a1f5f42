"""The tools that work towards a change: search, advise, anchor, propose, and say how a proposal stands.

The long ones run in processes of their own, tell how far they are, and end when the caller goes. None applies: what is
proven waits until people have signed it, and a person applies it on the command line.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context
from pydantic import Field

from trimtab import api, api_agents
from trimtab.anchor.force import Standing, reference
from trimtab.api_spec import Compliance
from trimtab.errors import AnchorError, UsageError
from trimtab.lifecycle.approving import Waiting, find
from trimtab.mcp import change_answers as told
from trimtab.mcp.answering import Offer
from trimtab.mcp.answers import AnchorEntry, AnchorsChecked, JudgedQuery
from trimtab.mcp.arguments import Budget, Cursor, Database, Limit, Workload
from trimtab.mcp.bounds import Flood
from trimtab.mcp.desk import CONFIGURED, Desk
from trimtab.mcp.documents import indexes_advised, kept_advised, optimized, proposed, refused, trial_told
from trimtab.mcp.job import run_job
from trimtab.mcp.noted import Noted
from trimtab.mcp.paging import page
from trimtab.mcp.wishes import Changes
from trimtab.model.comparison import Judgement
from trimtab.model.strategy import Outcome, Strategy

HOW_APPLIED = (
    "People sign with `trimtab approve ID`; then a person runs `trimtab apply ID`. No tool of this server applies."
)
_MOST_EVENTS = 100
AnyContext = Context[Any, Any]


@dataclass(frozen=True, slots=True)
class ChangeTools:
    """The tools, over one desk. `flood` counts the long ones."""

    desk: Desk
    flood: Flood

    def offers(self) -> list[Offer]:
        """Return them in their order."""
        return [
            Offer(self.optimize_queries, "Search, try and propose changes (long)", "records"),
            Offer(self.optimize_indexes, "The best set of indexes, tried (long)", "records"),
            Offer(self.index_advise, "The best set of indexes, by the planner alone (long)", "records"),
            Offer(self.anchor_performance, "Sign the performance of now (long)", "records"),
            Offer(self.anchors_check, "Check the anchors of a database"),
            Offer(self.change_propose, "Propose changes (long)", "records"),
            Offer(self.change_status, "How proposals stand"),
        ]

    async def optimize_queries(
        self,
        database: Database,
        ctx: AnyContext,
        workload: Workload = None,
        objectives: Annotated[list[Literal["speed", "efficiency"]], Field(min_length=1, max_length=2)] = [  # noqa: B006
            "speed",
            "efficiency",
        ],
        budget: Budget = None,
        propose: Annotated[bool, Field(description="Leave what is proven waiting for people's approval.")] = True,
    ) -> told.Optimized:
        """Carry a workload through observe, propose, validate, predict and trial. Takes minutes; changes nothing.

        Every change is built and measured in a lab that is thrown away. What is proven waits for people.
        """
        document = await self._job(
            "optimize",
            ctx,
            database=database,
            workload=workload,
            objectives=objectives,
            budget=budget,
            propose=propose,
        )
        return optimized(document, database, is_proposed=propose, how_applied=HOW_APPLIED)

    async def optimize_indexes(
        self, database: Database, ctx: AnyContext, workload: Workload = None, budget: Budget = None
    ) -> told.IndexesAdvised:
        """Choose the best set of indexes, prove how good it is, build and measure it in a lab. Takes minutes."""
        document = await self._job("indexes", ctx, database=database, workload=workload, budget=budget, trial=True)
        return indexes_advised(document, database, _now())

    async def index_advise(
        self,
        database: Database,
        ctx: AnyContext,
        workload: Workload = None,
        budget: Budget = None,
        kept: Annotated[bool, Field(description="The newest advice that was computed already, at once.")] = False,
    ) -> told.IndexesAdvised:
        """Choose the best set of indexes by the planner on a statistics twin, without measuring. Takes a minute.

        With kept nothing is computed: the newest advice of the database is told, with when and how it was computed.
        """
        if kept:
            return await anyio.to_thread.run_sync(self._kept_advice, database)
        document = await self._job("indexes", ctx, database=database, workload=workload, budget=budget, trial=False)
        return indexes_advised(document, database, _now())

    async def anchor_performance(
        self,
        database: Database,
        ctx: AnyContext,
        anchor_permanence: Literal["optimization_lifetime", "performance_lifetime", "cosmic"] = "performance_lifetime",
        workload: Workload = None,
    ) -> told.AnchorTaken:
        """Sign the performance of a database as it is now, as an anchor. The source is read; no query of it is run."""
        document = await self._job("anchor", ctx, database=database, workload=workload, permanence=anchor_permanence)
        anchor = document["anchor"]
        return told.AnchorTaken(
            anchor_id=anchor["id"],
            database=database,
            permanence=anchor["permanence"],
            digest=document["digest"],
            queries=len(anchor["queries"]),
            dimensions={each["name"]: each["level"] for each in anchor["dimensions"]},
            problems=list(anchor["problems"])[:20],
        )

    def anchors_check(self, database: Database, limit: Limit = 20, cursor: Cursor = None) -> AnchorsChecked:
        """Verify the chain of anchors, list those of a database, and compare its reference with its newest one."""
        path = self.desk.ledger_path
        try:
            api.verify_anchors(ledger_path=path)
            flaw = ""
        except AnchorError as error:
            flaw = error.code
        of_database = self._standings(database)
        held = reference(of_database, of_database[-1].anchor.server) if of_database else None
        newest = of_database[-1].anchor if of_database else None
        compared = None
        if held is not None and newest is not None and held.id != newest.id and not flaw:
            compared = api.compare_anchors(held.id, newest.id, ledger_path=path)
        shown, following = page(
            of_database[::-1],
            lambda each: _anchor_entry(each, is_reference=held is not None and each.anchor.id == held.id),
            of="anchors_check",
            cursor=cursor,
            limit=limit,
        )
        wanted = (Judgement.SLOWER, Judgement.FASTER)
        return AnchorsChecked(
            database=database,
            chain_is_verified=not flaw,
            flaw=flaw,
            anchors=shown,
            reference=None if held is None else held.id,
            compared=[] if compared is None else [compared.earlier_id, compared.later_id],
            finding=None if compared is None else compared.finding.value,
            judged=[
                JudgedQuery(
                    query_id=each.query_id,
                    judgement=each.judgement.value,
                    ratio=each.ratio,
                    at_least=each.at_least,
                    same_plan=each.same_plan,
                )
                for each in (() if compared is None else compared.queries)
                if each.judgement in wanted
            ][:50],
            open_alarms=Noted.read(self.desk.viewer, path).alarms(of_database[-1].anchor.database)
            if of_database
            else [],
            next_cursor=following,
        )

    async def change_propose(
        self, database: Database, changes: Changes, ctx: AnyContext, workload: Workload = None
    ) -> told.Proposed:
        """Propose changes that belong together. They are validated, predicted and tried in a lab; that takes minutes.

        When they are proven they wait for people's approval. Nothing is applied, whatever is asked for.
        """
        strategy, verdict = await anyio.to_thread.run_sync(self._judged, database, changes)
        if not verdict.compliant:
            return refused(strategy, verdict)
        wanted = [change.model_dump(mode="json") for change in changes]
        document = await self._job("propose", ctx, database=database, workload=workload, changes=wanted)
        strategy_id = document["strategies"][0]["id"]
        waits = None
        if document["strategies"][0]["outcome"] == Outcome.PROVEN.value:
            waits = find(self.desk.ledger_path, strategy_id)
        return proposed(document, waits, HOW_APPLIED)

    def change_status(
        self,
        change_id: Annotated[str | None, Field(pattern=r"^[sq]-[0-9a-f]{10}$", description="null: all")] = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> told.ChangeStatus:
        """Tell how proposals stand (waiting, approved, rejected, applied); of one also its life in the ledger."""
        path = self.desk.ledger_path
        if change_id is None:
            shown, following = page(
                self.desk.viewer.view().waiting[::-1],
                change_entry,
                of="change_status",
                cursor=cursor,
                limit=limit,
            )
            return told.ChangeStatus(
                changes=shown,
                outcome=None,
                standing=None,
                life=[],
                how_it_is_applied=HOW_APPLIED,
                next_cursor=following,
            )
        found = find(path, change_id)
        lives = [life for life in self.desk.viewer.view().lives if life.strategy_id == found.request.strategy.id]
        events = [
            told.LifeEvent(
                seq=entry.seq, at=_at(entry.at_ns), kind=entry.kind.value, run_id=entry.run_id, hash=entry.hash
            )
            for life in lives
            for entry in life.entries
        ]
        last = lives[-1] if lives else None
        return told.ChangeStatus(
            changes=[change_entry(found)],
            outcome=None if last is None or last.outcome is None else last.outcome.value,
            standing=sum(life.standing for life in lives),
            life=events[-_MOST_EVENTS:],
            how_it_is_applied=HOW_APPLIED,
            next_cursor=None,
        )

    def _kept_advice(self, database: str) -> told.IndexesAdvised:
        """Return the newest advice that is kept. Raises UsageError `mcp.not_advised`."""
        name = self.desk.name_on_server(database) or database
        found = api.kept_advice(database=name, limit=1, ledger_path=self.desk.ledger_path)
        if not found:
            raise UsageError(
                "not measured: no advice on indexes was computed for this database yet",
                code="mcp.not_advised",
                next_step="Call index_advise with kept false, or a person runs `trimtab indexes --database NAME`.",
            )
        [advice] = found
        statements = {index.strategy_id: self._statements_of(index.strategy_id) for index in advice.indexes}
        return kept_advised(advice, statements, database, _at(advice.at_ns))

    def _statements_of(self, strategy_id: str) -> list[str]:
        """Return the statements of a strategy, as far as the ledger has them."""
        with suppress(UsageError):
            return [change.sql for change in api.change_detail(strategy_id, view=self.desk.viewer.view()).changes]
        return []

    async def _job(self, kind: str, context: AnyContext, *, database: str, **arguments: object) -> dict[str, Any]:
        self.desk.database(database)
        workload = arguments.get("workload")
        self.desk.workload(None if workload is None else str(workload))
        with self.flood.job():
            return await run_job(self.desk, kind, {"database": database, **arguments}, context)

    def _judged(self, database: str, changes: Changes) -> tuple[Strategy, Compliance]:
        """Return what the rules say of a proposal on the facts of now: what they refuse needs no lab."""
        return api_agents.judge(
            self.desk.dsn(database),
            [change.asked() for change in changes],
            by=self.desk.asking.actor,
            spec_id=self.desk.spec(CONFIGURED),
            ledger_path=self.desk.ledger_path,
        )

    def _standings(self, database: str) -> list[Standing]:
        """Return the anchors of the database, by its name on the server, or of what it is called here."""
        name = self.desk.name_on_server(database) or database
        return [each for each in self.desk.anchors.standings() if each.anchor.database == name]


def change_entry(waiting: Waiting) -> told.ChangeEntry:
    """Return a proposal as it is answered."""
    request = waiting.request
    return told.ChangeEntry(
        strategy_id=request.strategy.id,
        request_id=request.id,
        state=waiting.state,
        database=str(request.database.get("database", "")),
        title=request.strategy.title,
        statements=_statements(request.strategy.changes),
        inverse_statements=_statements(request.inverses),
        risk=request.risk,
        needed=request.needed,
        approved_by=list(waiting.approved_by),
        proposed_by=request.proposed_by,
        spec_id=request.spec_id,
        trial=None if request.trial is None else trial_told(request.trial),
    )


def _statements(changes: Sequence[Any]) -> list[str]:
    return [change.sql() for change in changes]


def _anchor_entry(standing: Standing, *, is_reference: bool) -> AnchorEntry:
    anchor = standing.anchor
    return AnchorEntry(
        anchor_id=anchor.id,
        taken_at=_at(anchor.coordinate[0]),
        permanence=anchor.permanence.value,
        state=standing.force.value,
        queries=len(anchor.queries),
        is_reference=is_reference,
    )


def _now() -> str:
    return _at(time.time_ns())


def _at(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
