"""Compares the five dimensions of two anchors: level, band, and what the dimension's own test has shown. Pure.

A level is compared over the queries of both anchors, in the earlier one's mix, so that other calls are no other level.
What was not counted is not judged, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp, sqrt
from statistics import NormalDist

from trimtab.anchor.binomial import binomial_tail
from trimtab.anchor.counted import LEAST_PARTS
from trimtab.anchor.dimensions import COHERENCE, CONCURRENCY, EFFICIENCY, LATENCY, NAMES, THROUGHPUT
from trimtab.lifecycle.compared_queries import NOTHING_IN_COMMON, Pair, judge_runs, runs_of
from trimtab.model.anchor import Anchor, Counted, Dimension
from trimtab.model.comparison import DimensionComparison, Judgement, Level, QueryComparison
from trimtab.model.paired_power import POWER
from trimtab.settle.traffic import LEAST_CALLS, Runs

TESTS = {
    THROUGHPUT: "exact binomial test of two Poisson counts in windows of their lengths",
    LATENCY: "Fieller's bound of the ratio of the mix's means",
    EFFICIENCY: "Fieller's bound; blocks scatter as in the parts of the anchors' windows",
    CONCURRENCY: "Fieller's bound; time and busy sessions are of the same executions",
    COHERENCE: "the queries' own tests; that a plan is another one is no chance",
}
_LEAST_VARIANCE = 1e-12
_LEVELS = {Judgement.SLOWER: Level.HIGHER, Judgement.FASTER: Level.LOWER, Judgement.SAME: Level.SAME}


@dataclass(frozen=True, slots=True)
class _Found:
    """Both levels, and what the test says of them."""

    earlier: float | None = None
    later: float | None = None
    judgement: Level = Level.UNJUDGED
    smallest_effect: float | None = None
    test: str = ""


_NOTHING = _Found()


def compared_dimensions(
    earlier: Anchor,
    later: Anchor,
    seconds: tuple[float | None, float | None],
    pairs: Sequence[Pair],
    judged: Sequence[QueryComparison],
    *,
    error_rate: float,
    margin: float,
) -> tuple[DimensionComparison, ...]:
    """Return the five. `seconds` are the lengths of the windows in which was counted, `error_rate` is that of all."""
    each = error_rate / len(NAMES)
    both = [
        (was.counted, now.counted)
        for was, now in pairs
        if was.counted is not None and now.counted is not None and min(was.counted.calls, now.counted.calls) > 1
    ]
    found = {
        THROUGHPUT: _throughput(earlier, later, seconds, each, margin),
        LATENCY: _mixed(both, lambda c: c.mean_ms, _scatter_of_times, each, margin),
        EFFICIENCY: replace(
            _mixed(both, lambda c: c.blocks, _scatter_of_blocks, each, margin, least=LEAST_PARTS),
            test=_test_of_blocks(both),
        ),
        CONCURRENCY: _concurrency(earlier, later, seconds, each, margin),
        COHERENCE: _coherence(pairs, judged),
    }
    return tuple(_told(d, found.get(d.name, _NOTHING), each) for d in earlier.dimensions)


def _counts(anchor: Anchor) -> list[Counted]:
    return [level.counted for level in anchor.queries if level.counted is not None]


def _throughput(
    earlier: Anchor, later: Anchor, seconds: tuple[float | None, float | None], error_rate: float, margin: float
) -> _Found:
    """Of all calls in both windows, how many fall into the later one, is binomial, whatever the rate is."""
    before, after = (sum(c.calls for c in _counts(anchor)) for anchor in (earlier, later))
    was_seconds, now_seconds = seconds
    if not before or not was_seconds or not now_seconds:
        return _NOTHING
    whole = before + after
    ratio = now_seconds / was_seconds
    share_higher, share_lower = (ratio * limit / (1 + ratio * limit) for limit in (1 + margin, 1 / (1 + margin)))
    level = Level.SAME
    if binomial_tail(after, whole, share_higher) <= error_rate / 2:
        level = Level.HIGHER
    elif binomial_tail(whole - after, whole, 1 - share_lower) <= error_rate / 2:
        level = Level.LOWER
    width = sum(NormalDist().inv_cdf(share) for share in (1 - error_rate / 2, POWER))
    least = (1 + margin) * exp(width * sqrt(1 / before + 1 / after)) if after else None
    return _Found(before / was_seconds, after / now_seconds, level, least)


def _scatter_of_times(counted: Counted) -> tuple[float, int]:
    """Return the variance of one call, and its degrees of freedom."""
    return runs_of(counted).variance, counted.calls - 1


def _scatter_of_blocks(counted: Counted) -> tuple[float, int]:
    """Return that of one call's blocks; where nobody has seen them scatter, that of the times, relative to the mean."""
    if counted.blocks_deviation is not None:
        least = _LEAST_VARIANCE * counted.blocks**2
        return max(counted.blocks_deviation**2, least), min(counted.blocks_parts, counted.calls) - 1
    variance, freedom = _scatter_of_times(counted)
    return variance / runs_of(counted).mean_ms ** 2 * counted.blocks**2, freedom


def _test_of_blocks(both: Sequence[tuple[Counted, Counted]]) -> str:
    assumed = sum(None in (was.blocks_deviation, now.blocks_deviation) for was, now in both)
    if not assumed:
        return TESTS[EFFICIENCY]
    return f"{TESTS[EFFICIENCY]}; those of {assumed} of {len(both)} queries are taken to scatter as their times do"


def _mixed(
    both: Sequence[tuple[Counted, Counted]],
    of: Callable[[Counted], float],
    scatter: Callable[[Counted], tuple[float, int]],
    error_rate: float,
    margin: float,
    *,
    least: int = LEAST_CALLS,
) -> _Found:
    """Compare a mean over the earlier one's mix. The weights are given, so that only the means scatter.

    Of executions of one kind whose mean would scatter as this does there have to be `least`.
    """
    calls = sum(was.calls for was, _ in both)
    if not calls:
        return _NOTHING
    weights = [was.calls / calls for was, _ in both]
    before = _mean([was for was, _ in both], weights, of, scatter)
    after = _mean([now for _, now in both], weights, of, scatter)
    ran = min(sum(each.calls for each in counts) for counts in zip(*both, strict=True))
    if before.mean_ms <= 0 or after.mean_ms <= 0 or ran < LEAST_CALLS or min(before.calls, after.calls) < least:
        return _Found(before.mean_ms, after.mean_ms)
    judgement, _, _, effect = judge_runs(before, after, NOTHING_IN_COMMON, error_rate, margin)
    return _Found(before.mean_ms, after.mean_ms, _LEVELS[judgement], effect)


def _mean(
    counts: Sequence[Counted],
    weights: Sequence[float],
    of: Callable[[Counted], float],
    scatter: Callable[[Counted], tuple[float, int]],
) -> Runs:
    """Return a weighted mean as one that so many executions of one kind would have (Welch & Satterthwaite, 1946)."""
    mean = sum(weight * of(count) for count, weight in zip(counts, weights, strict=True))
    parts = []
    for count, weight in zip(counts, weights, strict=True):
        variance, freedom = scatter(count)
        parts.append((weight**2 * variance / count.calls, freedom))
    squares = sum(part**2 / freedom for part, freedom in parts)
    whole = sum(part for part, _ in parts)
    free = whole**2 / squares if squares > 0 else float(sum(count.calls for count in counts) - 1)
    calls = int(free) + 1
    return Runs(calls, mean, max(whole * calls, _LEAST_VARIANCE * mean**2))


def _concurrency(
    earlier: Anchor, later: Anchor, seconds: tuple[float | None, float | None], error_rate: float, margin: float
) -> _Found:
    """Time per call and busy session: above one busy session it is seconds by calls, so only the calls scatter."""
    runs = []
    for anchor, length in zip((earlier, later), seconds, strict=True):
        counts = _counts(anchor)
        calls = sum(c.calls for c in counts)
        if not calls or not length:
            return _NOTHING
        total_ms = sum(c.calls * c.mean_ms for c in counts)
        mean = total_ms / calls
        squares = sum(c.calls * (c.deviation_ms**2 + c.mean_ms**2) for c in counts) / calls
        busy = total_ms / 1000 / length
        relative = 1.0 if busy > 1.0 else max(squares / mean**2 - 1.0, 1e-12) if mean > 0 else 0.0
        level = mean / max(busy, 1.0)
        runs.append(Runs(calls, level, relative * level**2))
    before, after = runs
    if min(before.mean_ms, after.mean_ms) <= 0 or min(before.calls, after.calls) < LEAST_CALLS:
        return _Found(before.mean_ms, after.mean_ms)
    judgement, _, _, least = judge_runs(before, after, NOTHING_IN_COMMON, error_rate, margin)
    return _Found(before.mean_ms, after.mean_ms, _LEVELS[judgement], least)


def _coherence(pairs: Sequence[Pair], judged: Sequence[QueryComparison]) -> _Found:
    """Of the time of the queries of both: the share whose plan was known, and the share whose plan and latency held."""
    whole = sum(query.share for query in judged)
    is_judged = any(query.judgement is not Judgement.UNJUDGED for query in judged)
    if whole <= 0 or not is_judged:
        return _NOTHING
    planned = {was.query_id for was, _ in pairs if was.plan_shape}
    known = sum(query.share for query in judged if query.query_id in planned)
    held = sum(q.share for q in judged if q.same_plan is True and q.judgement is not Judgement.SLOWER)
    return _Found(known / whole, held / whole, Level.LOWER if held < known else Level.SAME)


def _why_not(dimension: Dimension) -> str:
    if dimension.name == COHERENCE and dimension.level is not None:
        return "none of the queries of both could be judged"
    return dimension.note or "not measured in both"


def _told(dimension: Dimension, found: _Found, error_rate: float) -> DimensionComparison:
    """The band is moved with the earlier level, which here is of the queries of both alone."""
    is_within: bool | None = None
    levels = (dimension.level, dimension.low, dimension.high)
    earlier = dimension.level if found.earlier is None else found.earlier
    if None not in levels and earlier is not None and found.later is not None:
        level, low, high = (float(each or 0.0) for each in levels)
        if dimension.name == COHERENCE:
            is_within = earlier - (level - low) <= found.later
        elif level > 0:
            is_within = low * earlier / level <= found.later <= high * earlier / level
    rounded = [None if value is None else round(value, 6) for value in (earlier, found.later)]
    note = "" if is_within is not None else _why_not(dimension)
    judgement = found.judgement if is_within is not None else Level.UNJUDGED
    if dimension.name == COHERENCE and is_within:
        judgement = Level.SAME
    least = None if found.smallest_effect is None or judgement is Level.UNJUDGED else round(found.smallest_effect, 4)
    return DimensionComparison(
        dimension.name, dimension.unit, rounded[0], rounded[1], is_within, note, judgement, error_rate, least,
        found.test or TESTS[dimension.name],
    )  # fmt: skip
