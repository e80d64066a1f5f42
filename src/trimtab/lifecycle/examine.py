"""Takes one strategy through validate, predict and trial. Nothing here touches the source.

A refused strategy is never predicted or tried; one that promises too little is never tried; one that is proven stays in
the lab, so that the next is measured on top of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from trimtab.lifecycle.stages import Stage, ended
from trimtab.lifecycle.workshop import Workshop
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change, CreateIndex, CreateStatistics, DropIndex, RebuildIndex
from trimtab.model.plan import Plan
from trimtab.model.report import Life
from trimtab.model.strategy import Decision, Outcome, Prediction, Strategy, Trial
from trimtab.model.workload import Query
from trimtab.predict.calibration import Calibration, fit_calibration
from trimtab.predict.predict import predict, ratio_error
from trimtab.validate.facts import facts_from
from trimtab.validate.validate import validate

if TYPE_CHECKING:
    from trimtab.trial.run import Trials
    from trimtab.twin.twin import Twin


@dataclass(slots=True)
class Examination:
    """Examines strategies in order, each on top of those proven before it."""

    workshop: Workshop
    snapshot: Snapshot
    twin: Twin
    trials: Trials | None
    plans: Mapping[str, Plan] = field(default_factory=dict)
    baseline_ms: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=lambda: fit_calibration(()))
    proven: list[Strategy] = field(default_factory=list)
    ratio_errors: list[float] = field(default_factory=list)
    asked: tuple[Mapping[str, Plan], Mapping[str, Plan]] = field(default_factory=lambda: ({}, {}))

    def take_baseline(self, queries: Sequence[Query]) -> None:
        """Measure the workload in the lab as it is: run plans, times, and how the planner's costs relate to them."""
        if self.trials is None:
            return
        baseline = self.trials.baseline(
            queries,
            progress=lambda done, total: self.workshop.watcher.progress("measuring the baseline", done, total),
        )
        self.plans, self.baseline_ms = baseline.plans, baseline.median_ms
        [costs] = self._plans(queries, [()])
        self.calibration = fit_calibration(
            (costs[query_id].cost, ms) for query_id, ms in self.baseline_ms.items() if query_id in costs
        )

    def examine(self, strategy: Strategy) -> Life:
        """Return the strategy's life as far as it came: refused, not promising, rejected, untried or proven."""
        inverses = tuple(change.inverse(self.snapshot) for change in strategy.changes)
        life = Life(strategy, inverses)
        self.workshop.journal.proposed(strategy)
        for step in (self._validate, self._predict, self._try):
            life = step(life)
            self.workshop.watcher.strategy(life)
            if life.outcome is not Outcome.UNTRIED or life.note:
                break
        if life.outcome is not Outcome.PROVEN:
            self.workshop.journal.settled(life)
        return life

    def _validate(self, life: Life) -> Life:
        is_applying = self.workshop.request.apply
        last = self.workshop.ledger.last()
        facts = facts_from(
            self.snapshot,
            accepted=tuple(self.proven),
            is_applying=is_applying,
            latest_ns=None if last is None else last.at_ns,
        )
        verdict = validate(life.strategy, self.workshop.specification, facts)
        self.workshop.journal.validated(life.strategy, verdict)
        life = replace(life, verdict=verdict)
        if verdict.compliant:
            return life
        rules = ", ".join(dict.fromkeys(violation.rule_id for violation in verdict.violations))
        return ended(life, Stage.VALIDATE, Outcome.REFUSED, f"refused by {rules}")

    def _predict(self, life: Life) -> Life:
        prediction = self._prediction(life.strategy)
        self.workshop.journal.predicted(life.strategy, prediction)
        life = replace(life, prediction=prediction)
        least = self.workshop.specification.prediction.min_gain_percent / 100
        if _promises_a_gain(life.strategy) and prediction.improvement_at_best < least:
            note = f"predicted to save {100 * prediction.improvement_at_best:.1f} % at best"
            return ended(life, Stage.PREDICT, Outcome.NOT_PREDICTED, note)
        return life

    def _learn(self, strategy: Strategy, trial: Trial) -> None:
        """Remember how far the guess for each tried query was off: the next intervals are made of that."""
        before, after = self.asked
        if not _touches_indexes(strategy):
            return
        for query in trial.queries:
            if query.plan_changed and query.query_id in before and query.query_id in after:
                error = ratio_error(before[query.query_id], after[query.query_id], query, self.calibration)
                if error is not None:
                    self.ratio_errors.append(error)

    def _prediction(self, strategy: Strategy) -> Prediction:
        self._teach_statistics(strategy)
        queries = self.snapshot.workload.queries
        before = tuple(change for accepted in self.proven for change in accepted.changes)
        [plans_before, plans_after] = self._plans(queries, [before, (*before, *strategy.changes)])
        # Without a lab there are no times: then costs stand in for them, and the unit says so.
        times = self.baseline_ms if self.trials is not None else {q: plan.cost for q, plan in plans_before.items()}
        prediction = predict(
            strategy,
            plans_before,
            plans_after,
            times,
            {query.id: query.weight for query in queries},
            self.calibration,
            ratio_errors=self.ratio_errors,
        )
        self.asked = plans_before, plans_after
        return prediction if self.trials is not None else replace(prediction, unit="cost")

    def _teach_statistics(self, strategy: Strategy) -> None:
        """Let the twin know what new extended statistics would hold: only the lab has the rows to tell."""
        news = [change for change in strategy.changes if isinstance(change, CreateStatistics)]
        if self.trials is None or not news:
            return
        with self.trials.made(strategy):
            for change in news:
                self.twin.import_statistics(change, self.trials.connection)

    def _plans(self, queries: Sequence[Query], configurations: Sequence[tuple[Change, ...]]) -> list[dict[str, Plan]]:
        answers = self.twin.what_if(queries, configurations)
        return [
            {query.id: plan for query, plan in zip(queries, plans, strict=True) if isinstance(plan, Plan)}
            for plans in answers
        ]

    def _try(self, life: Life) -> Life:
        if self.trials is None:
            return ended(life, Stage.TRIAL, Outcome.UNTRIED, "no lab: nothing was measured")
        is_tidying = not _promises_a_gain(life.strategy)
        trial = self.trials.trial(life.strategy, self.snapshot.workload.queries, accept_neutral=is_tidying)
        self.workshop.journal.tried(life.strategy, trial)
        self._learn(life.strategy, trial)
        life = replace(life, trial=trial)
        if trial.decision is Decision.ACCEPTED:
            self.proven.append(life.strategy)
            return ended(life, Stage.TRIAL, Outcome.PROVEN, trial.reason)
        return ended(life, Stage.TRIAL, Outcome.REJECTED, trial.reason)


def _touches_indexes(strategy: Strategy) -> bool:
    return all(isinstance(change, CreateIndex | DropIndex) for change in strategy.changes)


def _promises_a_gain(strategy: Strategy) -> bool:
    """Fewer and smaller indexes promise cheaper writes and less disk, which no plan's cost shows: they are tried so."""
    made = sum(isinstance(change, CreateIndex) for change in strategy.changes)
    is_tidying = _touches_indexes(strategy) and made < len(strategy.changes) - made and strategy.size_bytes < 0
    return not (is_tidying or all(isinstance(change, DropIndex | RebuildIndex) for change in strategy.changes))
