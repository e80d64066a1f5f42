"""Judges one query of two anchors: slower, faster, the same, or not to be judged; with what that rests on.

Pure. Executions are compared by T1 under the load that the others share, where there are enough others, else by T1
alone; means by Fieller's bound of their ratio. It knows one query and what the others have in common, no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import exp, log, pi, sqrt
from statistics import median
from typing import TYPE_CHECKING

from trimtab.anchor.common_mode import LEAST_COMPANIONS, common_mode, nearest_companions
from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import QUANTILES, Direction, Limits, limits_of
from trimtab.anchor.shared_load import SharedLoadTest, passed_by, shared_rates
from trimtab.anchor.stability import breaches, service_level_ms, stability
from trimtab.anchor.verdict import Finding, RegressionVerdict, exceedance_verdict
from trimtab.model.anchor import Counted, QueryLevel
from trimtab.model.comparison import Judgement, PlannedFor, QueryComparison
from trimtab.model.latency import Latency
from trimtab.settle.student import t_quantile
from trimtab.settle.traffic import LEAST_CALLS, Runs, ratio_at_least

if TYPE_CHECKING:
    import numpy as np

Pair = tuple[QueryLevel, QueryLevel]

_LEAST_VARIANCE = 1e-12
_NORMAL_MAD = 1.4826
"""What the median absolute deviation of a normal distribution times gives its standard deviation."""
_LOAD_STAYS = f"fewer than {LEAST_COMPANIONS} others were run: a load that all share was not taken out"


@dataclass(frozen=True, slots=True)
class Common:
    """By how much queries changed together, as a logarithm, the variance of that, and of how many it is."""

    log_ratio: float
    variance: float
    count: int


NOTHING_IN_COMMON = Common(0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the others show of one query's executions: the common factor, and how often they are beyond their limits.

    `rates` are those to bet against, by direction, in the order of `QUANTILES`. On one server (`is_one_server`) the
    others excuse and never accuse: that they got faster makes none slower, as in `common_mode.excused`; the level of
    another server's is compared with in relation to theirs.
    """

    factor: float
    is_one_server: bool
    rates: Mapping[Direction, tuple[float, ...]]

    def taken_out(self, direction: Direction) -> float:
        """Return what the query's times are divided by where it is asked whether they moved in that direction."""
        return _taken_out(self.factor, direction) if self.is_one_server else self.factor


def _taken_out(factor: float, direction: Direction) -> float:
    return max(factor, 1.0) if direction is Direction.SLOWER else min(factor, 1.0)


def same_plan(was: QueryLevel, now: QueryLevel) -> bool | None:
    """Whether the plan is the same: that for any parameters, where there are any, since drawn ones can be others."""
    if was.generic_shape and now.generic_shape:
        return was.generic_shape == now.generic_shape
    return was.plan_shape == now.plan_shape if was.plan_shape and now.plan_shape else None


def planned_for(was: QueryLevel, now: QueryLevel) -> PlannedFor:
    """Return for which values the plans that are compared were made."""
    if was.generic_shape and now.generic_shape:
        return PlannedFor.ANY
    return PlannedFor.OWN if was.plan_shape and now.plan_shape else PlannedFor.UNKNOWN


def changes_of_means(pairs: Sequence[Pair]) -> dict[str, float]:
    """Return by how much the mean of each query whose plan is the same changed, in logarithms."""
    return {
        was.query_id: log(now.counted.mean_ms / was.counted.mean_ms)
        for was, now in pairs
        if same_plan(was, now) is not False
        and was.counted is not None
        and now.counted is not None
        and min(was.counted.calls, now.counted.calls) >= LEAST_CALLS
        and min(was.counted.mean_ms, now.counted.mean_ms) > 0
    }


def in_common(changes: Sequence[float]) -> Common | None:
    """Return the median change, which a few that really changed do not move; None where they are too few."""
    if len(changes) < LEAST_COMPANIONS:
        return None
    middle = median(changes)
    deviation = _NORMAL_MAD * median(abs(change - middle) for change in changes)
    return Common(middle, pi / 2 * deviation**2 / len(changes), len(changes))


def shared_load(
    pairs: Sequence[Pair], error_rates: Mapping[str, float], margin: float, *, is_one_server: bool
) -> dict[str, Shared]:
    """Return what each query's companions show of the load, of those that have five or more: others are not in it.

    Companions have the same plan, and executions in both anchors; those that take about as long are taken.
    """
    import numpy as np

    run = [(was, now) for was, now in pairs if was.latency is not None and now.latency is not None]
    if len(run) <= LEAST_COMPANIONS:
        return {}
    typical = np.array([was.p50_ms for was, _ in run])
    moved = np.array([now.p50_ms for _, now in run])
    is_known = (typical > 0) & (moved > 0)
    is_companion = is_known & np.array([same_plan(was, now) is not False for was, now in run])
    excess = np.where(is_known, np.log(np.where(is_known, moved, 1.0) / np.where(is_known, typical, 1.0)), np.nan)
    companions = nearest_companions(typical, is_companion)
    common = common_mode(excess, companions)
    factors = np.exp(np.where(np.isnan(common), 0.0, common))
    by_direction = {
        direction: _rates(
            run,
            [_taken_out(float(factor), direction) if is_one_server else float(factor) for factor in factors],
            companions,
            error_rates,
            margin,
            direction,
        )
        for direction in Direction
    }
    # Of a limit that too few companions have, nobody knows how often they would pass it: it may be always.
    return {
        was.query_id: Shared(
            float(factors[row]),
            is_one_server,
            {d: tuple(map(float, np.nan_to_num(rates[row], nan=1.0))) for d, rates in by_direction.items()},
        )
        for row, (was, _) in enumerate(run)
        if not np.isnan(common[row]) and not any(np.isnan(rates[row, 0]) for rates in by_direction.values())
    }


def _rates(
    run: Sequence[Pair],
    factors: Sequence[float],
    companions: np.ndarray,
    error_rates: Mapping[str, float],
    margin: float,
    direction: Direction,
) -> np.ndarray:
    """All of an anchor's executions are one slot of time: nobody knows which of two queries ran when."""
    import numpy as np

    longest = max(len(now.latency.sample) for _, now in run if now.latency is not None)
    passed = np.zeros((longest, len(run), len(QUANTILES)), dtype=bool)
    seen = np.zeros((longest, len(run), len(QUANTILES)), dtype=bool)
    for row, (was, now) in enumerate(run):
        assert was.latency is not None and now.latency is not None  # noqa: PT018 - who was run
        limits = _limits(was.latency, error_rates[was.query_id], margin, direction)
        tested = [QUANTILES.index(limit.quantile) for limit in limits.limits]
        values = _relieved(values_of(now.latency), factors[row])
        seen[: len(values), row, tested] = True
        passed[: len(values), row] = passed_by(limits, values)
    columns = [shared_rates(passed, seen[:, :, number], companions)[:, number] for number in range(len(QUANTILES))]
    return np.column_stack(columns)


def judged(
    was: QueryLevel,
    now: QueryLevel,
    share: float,
    *,
    common: Common | None,
    shared: Shared | None,
    error_rate: float,
    margin: float,
) -> QueryComparison:
    """Return how a query stands. `error_rate` is its own alpha, of both directions together."""
    told = QueryComparison(
        was.query_id, share, same_plan(was, now), Judgement.UNJUDGED, None, 0.0, None, "",
        error_rate=error_rate, planned_for=planned_for(was, now),
        is_own_plan_same=was.plan_shape == now.plan_shape if was.plan_shape and now.plan_shape else None,
    )  # fmt: skip
    if was.latency is not None and now.latency is not None:
        level_ms = service_level_ms(was.latency, margin)
        found = stability(now.latency.count, breaches(now.latency, level_ms))
        told = replace(told, stability=found, service_level_ms=round(level_ms, 4))
        verdict = _by_executions(was.latency, now.latency, shared, error_rate, margin)
        if verdict.finding is not Finding.NOT_TESTABLE:
            return _of_verdict(told, was, now, verdict, shared, margin)
        told = replace(told, dropped=tuple(d.quantile for d in verdict.dropped))
    if was.counted is None or now.counted is None:
        return replace(told, note="too few executions were measured, and none counted")
    if min(was.counted.calls, now.counted.calls) < LEAST_CALLS:
        return replace(told, note=f"fewer than {LEAST_CALLS} executions were counted")
    judgement, ratio, bound, least = judge_means(
        was.counted, now.counted, common or NOTHING_IN_COMMON, error_rate, margin
    )
    return replace(
        told, judgement=judgement, ratio=round(ratio, 4), at_least=round(bound, 4), smallest_effect=round(least, 4),
        method="means",
    )  # fmt: skip


def judge_means(
    was: Counted, now: Counted, common: Common, error_rate: float, margin: float
) -> tuple[Judgement, float, float, float]:
    """Return the judgement, the ratio without the common change, the bound and the smallest effect that was seen."""
    return judge_runs(runs_of(was), runs_of(now), common, error_rate, margin)


def judge_runs(
    before: Runs, after: Runs, common: Common, error_rate: float, margin: float
) -> tuple[Judgement, float, float, float]:
    """Return the same of what is known by count, mean and variance."""
    shared = exp(common.log_ratio)
    limit = 1 + margin
    slower = ratio_at_least(before, after, shared, common.variance, common.count, limit, error_rate / 2)
    faster = ratio_at_least(after, before, 1 / shared, common.variance, common.count, limit, error_rate / 2)
    ratio = after.mean_ms / (before.mean_ms * shared)
    judgement = Judgement.SLOWER if slower > limit else Judgement.FASTER if faster > limit else Judgement.SAME
    bound = {Judgement.SLOWER: slower, Judgement.FASTER: faster}.get(judgement, 0.0)
    return judgement, ratio, bound, _least_seen(before, after, common.variance, limit, error_rate / 2)


def runs_of(counted: Counted) -> Runs:
    """Return what a query did as the test takes it."""
    mean_ms = max(counted.mean_ms, 1e-6)
    scatter = counted.deviation_ms**2 * counted.calls / (counted.calls - 1)
    return Runs(counted.calls, mean_ms, max(scatter, _LEAST_VARIANCE * mean_ms**2))


def values_of(latency: Latency) -> list[float | None]:
    """Return the sampled times in ms, None for a failure: those that reached a limit took the longest."""
    failures = round(latency.errors * len(latency.sample) / latency.count) if latency.count else 0
    longest = set(sorted(range(len(latency.sample)), key=lambda n: latency.sample[n])[len(latency.sample) - failures :])
    return [None if number in longest else ms for number, ms in enumerate(latency.sample)]


def _of_verdict(
    told: QueryComparison,
    was: QueryLevel,
    now: QueryLevel,
    verdict: RegressionVerdict,
    shared: Shared | None,
    margin: float,
) -> QueryComparison:
    moved = Direction.SLOWER if now.p50_ms >= was.p50_ms else Direction.FASTER
    factor = 1.0 if shared is None else shared.taken_out(moved)
    judgement = {Finding.REGRESSED: Judgement.SLOWER, Finding.IMPROVED: Judgement.FASTER}.get(
        verdict.finding, Judgement.SAME
    )
    return replace(
        told,
        judgement=judgement,
        ratio=round(now.p50_ms / (was.p50_ms * factor), 4) if was.p50_ms > 0 else None,
        at_least=round(1 + margin, 4) if judgement is not Judgement.SAME else 0.0,
        smallest_effect=None if verdict.smallest_effect is None else round(verdict.smallest_effect, 4),
        method="executions",
        evidence=float(f"{verdict.peak:.3g}"),
        needed=round(verdict.needed_e_value, 1),
        dropped=tuple(d.quantile for d in verdict.dropped),
        note="" if shared is not None else _LOAD_STAYS,
    )


def _by_executions(
    was: Latency, now: Latency, shared: Shared | None, error_rate: float, margin: float
) -> RegressionVerdict:
    """Return T1's verdict of the direction that it has shown, else of slower; each has half of the error rate."""
    found = [_in_direction(was, now, shared, error_rate, margin, direction) for direction in Direction]
    shown = (each for each in found if each.finding in (Finding.REGRESSED, Finding.IMPROVED))
    tested = (each for each in found if each.finding is not Finding.NOT_TESTABLE)
    return next(shown, None) or next(tested, None) or found[0]


def _in_direction(
    was: Latency, now: Latency, shared: Shared | None, error_rate: float, margin: float, direction: Direction
) -> RegressionVerdict:
    limits = _limits(was, error_rate, margin, direction)
    after = values_of(now)
    if shared is None:
        return exceedance_verdict(reduce(ExceedanceTest.observe, after, ExceedanceTest(limits)), values_of(was))
    relieved = _relieved(after, shared.taken_out(direction))
    test = SharedLoadTest.over(limits, relieved, shared.rates[direction])
    return exceedance_verdict(test, values_of(was))


def _limits(was: Latency, error_rate: float, margin: float, direction: Direction) -> Limits:
    return limits_of(values_of(was), error_rate=error_rate / 2, margin=margin, direction=direction)


def _relieved(values: Sequence[float | None], factor: float) -> list[float | None]:
    return [None if value is None else value / factor for value in values]


def _least_seen(was: Runs, now: Runs, spread: float, limit: float, error_rate: float) -> float:
    """Return the ratio that would have been shown four times out of five, in the logarithm's normal approximation."""
    error = sqrt(was.variance / (was.calls * was.mean_ms**2) + now.variance / (now.calls * now.mean_ms**2) + spread)
    freedom = min(was.calls, now.calls) - 1
    return limit * exp((t_quantile(1 - error_rate, freedom) + t_quantile(0.8, freedom)) * error)
