"""The lifecycle: eight stages and the one loop that runs them.

    observe -> propose -> validate -> predict -> trial -> apply -> anchor -> settle

A strategy moves forward one stage at a time and may end at some of them (`stages.ENDINGS`). Only `apply` changes the
source, and only what the specification allows, a prediction promised and a trial proved. What a stage does lives in the
package of its name; this package hands values from one to the next and writes every step to the ledger.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from trimtab.apply.as_asked import refuse_other_rules, refuse_unmeasured
from trimtab.apply.asking import actor, ask, prediction_from, trial_from
from trimtab.apply.bound import with_bound
from trimtab.apply.enforce import Enforcer, database_body
from trimtab.apply.refusals import refuse_standby
from trimtab.apply.switch import KillSwitch
from trimtab.errors import RefusedError, TrimtabError
from trimtab.lifecycle.asked import Prefixes, strategy_of
from trimtab.lifecycle.examine import Examination
from trimtab.lifecycle.index_limits import index_limits
from trimtab.lifecycle.journal import opening
from trimtab.lifecycle.land import Landing
from trimtab.lifecycle.left_out import with_left_out
from trimtab.lifecycle.locking import refuse_unleased
from trimtab.lifecycle.recover import has_changes, open_work, recover
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.same_server import require_same_server
from trimtab.lifecycle.securing import preservation
from trimtab.lifecycle.stages import Stage
from trimtab.lifecycle.undoing import PROPOSER
from trimtab.lifecycle.usage import unseen
from trimtab.lifecycle.watching import Watching, first_counters
from trimtab.lifecycle.workshop import Workshop, open_workshop
from trimtab.model.anchor import Anchor
from trimtab.model.approval import ApprovalRequest
from trimtab.model.catalog import Snapshot
from trimtab.model.report import LedgerState, Life, Report, SecurityKept, on_source
from trimtab.model.strategy import Outcome, QueryTrial, Strategy
from trimtab.model.traffic import Counters
from trimtab.model.watch import Watcher
from trimtab.propose.context import Context, Limits
from trimtab.propose.proposers import all_proposers
from trimtab.validate.facts import Evidence, facts_from
from trimtab.validate.rights import missing_rights

if TYPE_CHECKING:
    from trimtab.trial.run import Trials
    from trimtab.twin.twin import Twin


def optimize(request: Request, watcher: Watcher) -> Report:
    """Carry the source's workload through the whole lifecycle and return what came of it.

    Raises TrimtabError; then nothing is half done: what this run applied and could not settle has been taken back or,
    where even that failed, stands in the ledger for `trimtab resume`.
    """
    with ExitStack() as stack:
        workshop = open_workshop(request, watcher, stack)
        run = _Run(workshop)
        facts = workshop.look_again()()
        if request.apply:
            _refuse_to_begin(workshop, facts)
        workshop.journal.started(opening(workshop.specification, request, facts))
        try:
            run.mend_earlier_runs(facts)
            return run.carry_through()
        except BaseException as error:
            run.give_up(error, facts)
            raise


def apply_waiting(request: Request, asked: ApprovalRequest, watcher: Watcher) -> tuple[str, Life, Anchor | None]:
    """Apply a strategy that waited: to the source, measured there, kept or taken back; return run, end and anchor.

    Raises UnapprovedError when people have still to approve it, RefusedError `approval.other_database`,
    `approval.lock`, `approval.drifted` or `approval.unmeasured`, and as `optimize` does.
    """
    with ExitStack() as stack:
        workshop = open_workshop(request, watcher, stack)
        run = _Run(workshop, asked=asked)
        facts = workshop.look_again()()
        if database_body(facts.server) != dict(asked.database):
            raise RefusedError(
                f"{asked.strategy.id} was not applied: it waits for another database than {facts.server.database}",
                code="approval.other_database",
                next_step="Name the database that `trimtab approvals` shows.",
            )
        refuse_unleased(asked)
        refuse_other_rules(asked, workshop.specification)
        refuse_unmeasured(asked, workshop.specification, workshop.ledger.entries())
        _refuse_to_begin(workshop, facts)
        workshop.journal.started(opening(workshop.specification, request, facts))
        try:
            run.mend_earlier_runs(facts)
            return (workshop.run_id, *run.carry_out(asked))
        except BaseException as error:
            run.give_up(error, facts)
            raise


def _refuse_to_begin(workshop: Workshop, facts: Snapshot) -> None:
    """What the enforcement point would refuse at the end is refused before the work."""
    refuse_standby(facts.server)
    KillSwitch(workshop.ledger.path.parent).refuse(facts.server.database, is_revert=False)


@dataclass(slots=True)
class _Run:
    """One pass of the loop."""

    workshop: Workshop
    asked: ApprovalRequest | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    landing: Landing | None = None
    counted: Counters | None = None

    def mend_earlier_runs(self, snapshot: Snapshot) -> None:
        """Finish or undo what an earlier run left open; without --apply only say that there is something."""
        workshop = self.workshop
        found = open_work(workshop.ledger, database_body(snapshot.server), run_id=workshop.run_id)
        if not workshop.request.apply:
            if has_changes(found):
                workshop.watcher.stage(Stage.OBSERVE, "an earlier run was interrupted: run `trimtab resume`")
            return
        if found.is_empty:
            return
        recovery = recover(self.workshop.ledger, self._enforcer(snapshot), snapshot)
        left, taken = len(recovery.left_alone), len(recovery.reverted) - len(recovery.left_alone)
        told = f"{len(recovery.reconciled)} interrupted changes answered, {taken} taken back"
        told += f", {left} left alone" if left else ""
        self.workshop.watcher.stage(Stage.OBSERVE, f"an earlier run was interrupted: {told}")

    def carry_through(self) -> Report:
        with self._timed(Stage.OBSERVE):
            snapshot = self._observe()
            limits = index_limits(self.workshop, snapshot)
            twin, trials, examination = self._prepare(snapshot)
        with self._timed(Stage.PROPOSE):
            # Now, before anything is applied: afterwards the source is not what the twin was made from.
            fidelity = twin.fidelity(self.workshop.source, snapshot.workload.queries).summary()
            strategies = self._propose(snapshot, limits, twin, examination)
        with self._timed(Stage.TRIAL):
            lives = self._examine(strategies, examination)
            compared = trials.final(snapshot.workload.queries) if trials is not None else ()
        anchor: Anchor | None = None
        with self._timed(Stage.APPLY):
            if self.workshop.request.apply:
                lives, anchor = self._land(snapshot, lives)
        waiting = self._leave_waiting(snapshot, lives)
        missing = self._missing_rights(snapshot, lives)
        return self._finish(
            snapshot,
            lives,
            compared,
            anchor,
            trials,
            fidelity=fidelity,
            messages=(
                *(self.landing.messages if self.landing is not None else ()),
                *(self._security.notes if self._security is not None else ()),
                *twin.problems,
                *(trials.notes if trials is not None else ()),
                *waiting,
                *missing,
                *unseen(snapshot),
            ),
            lacks_rights=bool(missing),
        )

    def carry_out(self, asked: ApprovalRequest) -> tuple[Life, Anchor | None]:
        """Land one strategy that an earlier run has proven."""
        snapshot = self._observe()
        self.workshop.journal.proposed(asked.strategy)
        life = Life(
            asked.strategy,
            asked.inverses,
            Outcome.PROVEN,
            prediction=prediction_from(asked),
            trial=trial_from(asked),
        )
        [life], anchor = self._land(snapshot, [life])
        for note in self._security.notes if self._security is not None else ():
            self.workshop.watcher.stage(Stage.APPLY, note)
        if life.outcome is Outcome.PROVEN and self.landing is not None and self.landing.unapproved is not None:
            raise self.landing.unapproved
        on = on_source({life.outcome.value: 1}, is_applying=True).value
        self.workshop.journal.finished(
            {
                "outcomes": {life.outcome.value: 1},
                "before_ms": None,
                "after_ms": None,
                "measured_in": "lab",
                "on_source": on,
            }
        )
        return life, anchor

    def _leave_waiting(self, snapshot: Snapshot, lives: Sequence[Life]) -> tuple[str, ...]:
        """With --propose: leave what is proven waiting for people, and say so."""
        workshop = self.workshop
        proven = [life for life in lives if life.outcome is Outcome.PROVEN]
        if not workshop.request.propose or not proven:
            return ()
        for life in proven:
            ask(
                workshop.ledger,
                life.strategy,
                workshop.specification,
                with_bound(workshop.source, life.strategy, snapshot),
                database_body(snapshot.server),
                inverses=life.inverses,
                evidence=Evidence(life.prediction, life.trial),
                verdict=life.verdict,
                run_id=workshop.run_id,
                agent=workshop.request.agent,
            )
        return (f"{len(proven)} strategies wait for approval: trimtab approvals",)

    def give_up(self, error: BaseException, snapshot: Snapshot) -> None:
        """Take back what is not settled, write why the run broke off, and note on the error what is left to do."""
        if self.landing is not None:
            self.landing.take_back_unsettled()
        self.workshop.journal.broke_off(error)
        with suppress(TrimtabError):
            if has_changes(open_work(self.workshop.ledger, database_body(snapshot.server))):
                error.add_note("a change could not be taken back now: run `trimtab resume`")

    def _observe(self) -> Snapshot:
        watcher = self.workshop.watcher
        watcher.stage(Stage.OBSERVE, "")
        snapshot = self.workshop.observe()
        self.counted = first_counters(self.workshop, snapshot.workload)
        return snapshot

    def _prepare(self, snapshot: Snapshot) -> tuple[Twin, Trials | None, Examination]:
        workload = snapshot.workload
        twin = self.workshop.build_twin(snapshot)
        trials = self.workshop.open_lab(snapshot)
        self.workshop.let_sample(twin, trials)
        examination = Examination(self.workshop, snapshot, twin, trials)
        if trials is not None:
            examination.take_baseline(workload.queries)
        self.workshop.watcher.stage(
            Stage.OBSERVE,
            f"{len(workload.queries)} queries standing for {workload.executions:,.0f} executions, "
            f"{len(workload.skipped)} skipped; {len(snapshot.tables)} tables",
        )
        return twin, trials, examination

    def _propose(self, snapshot: Snapshot, limits: Limits, twin: Twin, examination: Examination) -> list[Strategy]:
        watcher = self.workshop.watcher
        watcher.stage(Stage.PROPOSE, "")
        if self.workshop.request.asked:
            return [self._asked(snapshot, twin)]
        context = Context(
            snapshot=snapshot,
            what_if=twin,
            limits=limits,
            plans=examination.plans,
            baseline_ms=examination.baseline_ms,
        )
        strategies = self._recommended(snapshot)
        counts = Counter({PROPOSER: len(strategies)} if self.workshop.request.from_history else {})
        for number, (name, proposer) in enumerate(all_proposers()):
            watcher.progress(f"proposing {name}", number, len(all_proposers()))
            found = proposer(context)
            counts[name] = len(found)
            strategies.extend(found)
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        watcher.stage(Stage.PROPOSE, f"{len(strategies)} strategies ({told}); {twin.planner_calls:,} planner calls")
        return strategies

    def _asked(self, snapshot: Snapshot, twin: Twin) -> Strategy:
        """Return the changes that were asked for as one strategy."""
        request, spec = self.workshop.request, self.workshop.specification
        prefixes = Prefixes(spec.indexes.name_prefix, spec.statistics.name_prefix)
        by = actor() if request.agent is None else request.agent.actor
        strategy = strategy_of(request.asked, snapshot, prefixes, by, twin.size_bytes)
        self.workshop.watcher.stage(Stage.PROPOSE, f"{len(strategy.changes)} changes were asked for")
        return strategy

    def _recommended(self, snapshot: Snapshot) -> list[Strategy]:
        """Return what the database's history recommends, when that was asked for; of queries that run now."""
        from trimtab.lifecycle.evolving import recommended

        workshop, server = self.workshop, snapshot.server
        if not workshop.request.from_history:
            return []
        ids = {query.id for query in snapshot.workload.queries}
        found = recommended(
            workshop.request.ledger_path,
            server.of_database,
            is_standby=server.is_standby,
            specification=workshop.specification,
        )
        return [strategy for strategy in found if not strategy.query_ids or ids.intersection(strategy.query_ids)]

    def _examine(self, strategies: Sequence[Strategy], examination: Examination) -> list[Life]:
        watcher = self.workshop.watcher
        watcher.stage(Stage.TRIAL, "")
        lives = []
        for number, strategy in enumerate(strategies):
            watcher.progress("validate, predict, trial", number, len(strategies))
            lives.append(examination.examine(strategy))
        counts = Counter(life.outcome.value for life in lives)
        watcher.stage(Stage.TRIAL, ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(counts.items())))
        return lives

    def _land(self, snapshot: Snapshot, lives: list[Life]) -> tuple[list[Life], Anchor | None]:
        proven = [life for life in lives if life.outcome is Outcome.PROVEN]
        if not proven:
            return lives, None

        def enforcer() -> Enforcer:
            return replace(self._enforcer(snapshot), observed=snapshot, asked=self.asked)

        watching = Watching(self.workshop, snapshot.workload, self.counted)
        self.landing = Landing(self.workshop, snapshot, enforcer(), watching, enforcer)
        landed, anchor = self.landing.land(proven)
        by_id = {life.strategy.id: life for life in landed}
        return [by_id.get(life.strategy.id, life) for life in lives], anchor

    @property
    def _security(self) -> SecurityKept | None:
        return None if self.landing is None else self.landing.security

    def _missing_rights(self, snapshot: Snapshot, lives: Sequence[Life]) -> tuple[str, ...]:
        """Say of a dry run what keeps this role from applying what was proven, if anything does."""
        if self.workshop.request.apply:
            return ()
        facts = facts_from(snapshot)
        proven = [life.strategy for life in lives if life.outcome is Outcome.PROVEN]
        missing = [v for strategy in proven for v in missing_rights(strategy, self.workshop.specification, facts)]
        if not missing:
            return ()
        first: dict[str, str] = {}
        for violation in missing:
            first.setdefault(violation.rule_id, violation.message)
        rules, told = ", ".join(first), "; ".join(first.values())
        return (f"with --apply this role would be refused by {rules}; see `trimtab init`: {told}",)

    def _enforcer(self, snapshot: Snapshot) -> Enforcer:
        """Open the writing session: only here, and only for a run that may apply."""
        from trimtab.db.connection import connect
        from trimtab.db.role import APPLYING, refuse_overprivileged

        workshop = self.workshop
        writer = workshop.stack.enter_context(closing(connect(workshop.request.conninfo, read_only=False)))
        require_same_server(writer, snapshot.server)
        refuse_overprivileged(writer, APPLYING)
        return Enforcer(
            writer,
            workshop.ledger,
            workshop.specification,
            workshop.look_again(),
            workshop.run_id,
            preservation=preservation(workshop.source, workshop.ledger, workshop.run_id),
        )

    def _finish(
        self,
        snapshot: Snapshot,
        lives: Sequence[Life],
        compared: Sequence[QueryTrial],
        anchor: Anchor | None,
        trials: Trials | None,
        *,
        fidelity: Mapping[str, float | int | str | None],
        messages: Sequence[str],
        lacks_rights: bool,
    ) -> Report:
        workshop = self.workshop
        weights = {query.id: query.weight for query in snapshot.workload.queries}
        before = sum(weights[q.query_id] * q.before_ms for q in compared) if compared else None
        after = sum(weights[q.query_id] * q.after_ms for q in compared) if compared else None
        outcomes = dict(Counter(life.outcome.value for life in lives))
        workshop.journal.finished(
            {
                "outcomes": outcomes,
                "before_ms": round(before, 3) if before is not None else None,
                "after_ms": round(after, 3) if after is not None else None,
                "measured_in": "lab",
                "on_source": on_source(outcomes, is_applying=workshop.request.apply).value,
            }
        )
        verified = workshop.ledger.verify()
        return Report(
            run_id=workshop.run_id,
            server=snapshot.server,
            workload=with_left_out(snapshot.workload, trials, is_applying=workshop.request.apply),
            lives=tuple(lives),
            queries=tuple(compared),
            before_ms=before,
            after_ms=after,
            ledger=LedgerState(verified.entries, verified.verified, workshop.ledger.head, str(workshop.ledger.path)),
            lab=trials.describe() if trials is not None else "none",
            applied=workshop.request.apply,
            anchor=anchor,
            fidelity=fidelity,
            stages=dict(self.seconds),
            messages=tuple(messages),
            lacks_rights=lacks_rights,
            security=self._security,
        )

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[stage.value] = round(time.monotonic() - started, 3)
