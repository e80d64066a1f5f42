"""Predicts what the affected queries will take after a strategy: an interval, never a promise.

It compares what-if plans; a query whose plan keeps its shape keeps its time. How a changed plan's time is guessed
depends on what the change does to the planner's costs; `Prediction.method` names it:

- `no_plan_change`: nothing changes that the planner can see.
- `cost_ratio` (indexes, memory): after = before * (cost after / cost before) ** exponent. How far that is off is taken
  from how far queries stray from the calibration, which overstates it: two plans of one query stray together. What no
  plan shows, such as look-ups under foreign keys, is part of both costs where the strategy saves it.
- `learned_cost_ratio`: the same, once enough trials have shown how far such guesses were off (`ratio_errors`).
- `calibrated_cost` (statistics): the old cost rests on wrong row counts, so only the new plan's cost is believed, and
  its calibrated time is set against the measured old time.
- `recalibrated_cost` (cost constants): the costs are in other units. Queries that keep their plan keep their time, so
  they calibrate the new units; the changed plans are read on that scale.
- `spread` (cost constants with too few such queries; memory that the planner does not see at work): no claim about the
  middle. The interval is how far queries of equal cost differ.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from trimtab.model.change import (
    CreateStatistics,
    DropStatistics,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
)
from trimtab.model.plan import Plan
from trimtab.model.strategy import Prediction, QueryTrial, Strategy
from trimtab.predict.calibration import LEAST_COST, MIN_SAMPLES, Calibration, fit_calibration

_DRAWS = 1000
_SAME_COST = 1e-3
_MEMORY = frozenset({"work_mem", "hash_mem_multiplier"})
_STATISTICS = (CreateStatistics, DropStatistics, SetStatisticsTarget, SetDistinct, RestoreStatistics)


@dataclass(frozen=True, slots=True)
class _Guess:
    """One affected query: its time now and its most likely time then, weighted ms. `errors` says what it is off by."""

    before_ms: float
    after_ms: float


def predict(
    strategy: Strategy,
    plans_before: Mapping[str, Plan],
    plans_after: Mapping[str, Plan],
    baseline_ms: Mapping[str, float],
    weights: Mapping[str, float],
    calibration: Calibration,
    confidence: float = 0.9,
    *,
    ratio_errors: Sequence[float] = (),
    seed: int = 0,
) -> Prediction:
    """Return the interval of the affected queries' time after the strategy, in ms weighted by executions.

    Plans, times and weights go by query id; a query without all of them is left out. `calibration` is of the same
    planner as the plans. `ratio_errors` are what `ratio_error` gave for queries tried before. `seed` fixes the
    resampling.
    """
    known = [query_id for query_id in plans_before if query_id in plans_after and query_id in baseline_ms]
    changed = [
        query_id
        for query_id in known
        if query_id in strategy.unshown or _is_changed(strategy, plans_before[query_id], plans_after[query_id])
    ]
    method, scale = _method(strategy, known, changed, plans_after, baseline_ms, calibration)
    affected: Iterable[str] = changed
    if not changed:
        affected = _spilling(strategy, baseline_ms)
        method = "spread" if affected else "no_plan_change"
    guesses = []
    for query_id in affected:
        now_ms = baseline_ms[query_id]
        then_ms = now_ms
        if method == "cost_ratio":
            ratio = _ratio(plans_before[query_id], plans_after[query_id]) * strategy.unshown.get(query_id, 1.0)
            then_ms = now_ms * ratio**scale.exponent
        elif method in ("calibrated_cost", "recalibrated_cost"):
            then_ms = scale.ms(plans_after[query_id].cost)
        weight = weights.get(query_id, 1.0)
        guesses.append(_Guess(weight * now_ms, weight * then_ms))
    if not guesses:
        return _unchanged(sum(weights.get(q, 1.0) * baseline_ms[q] for q in known), confidence)
    if method == "cost_ratio" and len(ratio_errors) >= MIN_SAMPLES:
        method = "learned_cost_ratio"
        scale = replace(scale, residuals=tuple(ratio_errors), samples=len(ratio_errors))
    return _interval(guesses, scale, method, confidence, random.Random(seed))  # noqa: S311 - draws, not secrets


def ratio_error(before: Plan, after: Plan, trial: QueryTrial, calibration: Calibration) -> float | None:
    """Return log(measured / guessed) of a tried query's time, by the guess that `cost_ratio` makes.

    None where it cannot be told: nothing was measured, or a run reached its time limit.
    """
    if trial.timed_out or trial.before_ms <= 0 or trial.after_ms <= 0:
        return None
    return log(trial.after_ms / trial.before_ms) - calibration.exponent * log(_ratio(before, after))


def _method(
    strategy: Strategy,
    known: Iterable[str],
    changed: Iterable[str],
    plans_after: Mapping[str, Plan],
    baseline_ms: Mapping[str, float],
    calibration: Calibration,
) -> tuple[str, Calibration]:
    """Return how times are guessed, and on which scale."""
    settings = [change for change in strategy.changes if isinstance(change, SetSetting)]
    if any(change.name not in _MEMORY for change in settings):
        keeping = set(known) - set(changed)
        recalibrated = fit_calibration((plans_after[q].cost, baseline_ms[q]) for q in sorted(keeping))
        if recalibrated.samples >= MIN_SAMPLES:
            return "recalibrated_cost", recalibrated
        return "spread", calibration
    if any(isinstance(change, _STATISTICS) for change in strategy.changes):
        return ("spread" if calibration.is_prior else "calibrated_cost"), calibration
    return "cost_ratio", calibration


def _is_changed(strategy: Strategy, before: Plan, after: Plan) -> bool:
    if before.shape_hash != after.shape_hash:
        return True
    if not any(isinstance(change, SetSetting) and change.name in _MEMORY for change in strategy.changes):
        return False
    # Equal shapes with more memory: the cost tells whether the planner sees fewer trips to the disk.
    return abs(before.cost - after.cost) > _SAME_COST * max(before.cost, after.cost)


def _spilling(strategy: Strategy, baseline_ms: Mapping[str, float]) -> list[str]:
    """Return the queries that a memory setting is for: they were seen to spill where the planner expected no spill."""
    if not any(isinstance(change, SetSetting) and change.name in _MEMORY for change in strategy.changes):
        return []
    return [query_id for query_id in strategy.query_ids if query_id in baseline_ms]


def _ratio(before: Plan, after: Plan) -> float:
    return max(after.cost, LEAST_COST) / max(before.cost, LEAST_COST)


def _interval(
    guesses: list[_Guess], scale: Calibration, method: str, confidence: float, rng: random.Random
) -> Prediction:
    """Resample the errors of all guesses and take the quantiles of the total.

    A guess that starts from a measured time errs by the difference of two residuals, one from the scale by one.
    """
    is_relative = method in ("cost_ratio", "spread")
    residuals = scale.errors
    totals = []
    for _ in range(_DRAWS):
        total = 0.0
        for guess in guesses:
            error = rng.choice(residuals) - (rng.choice(residuals) if is_relative else 0.0)
            total += guess.after_ms * exp(error)
        totals.append(total)
    totals.sort()
    tail = (1.0 - scale.level(confidence)) / 2.0
    mid = sum(guess.after_ms for guess in guesses)
    return Prediction(
        low=min(totals[int(tail * (_DRAWS - 1))], mid),
        mid=mid,
        high=max(totals[-1 - int(tail * (_DRAWS - 1))], mid),
        unit="ms",
        before=sum(guess.before_ms for guess in guesses),
        confidence=confidence,
        method=method,
    )


def _unchanged(before: float, confidence: float) -> Prediction:
    return Prediction(
        low=before, mid=before, high=before, unit="ms", before=before, confidence=confidence, method="no_plan_change"
    )
