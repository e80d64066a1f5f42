"""Compares two anchors, of one server or of two: which queries got slower or faster, with a bounded error, and why not.

Pure. Executions are compared by the exceedance test T1, means by Fieller's bound of their ratio. What all queries whose
plan is the same have in common (host, load) is taken out of means, and told. What cannot be judged says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import exp, log, pi, sqrt
from statistics import median

from trimtab.anchor.common_mode import LEAST_COMPANIONS
from trimtab.anchor.counted import since_then
from trimtab.anchor.dimensions import COHERENCE, CONCURRENCY, EFFICIENCY, LATENCY, THROUGHPUT
from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import Direction, limits_of
from trimtab.anchor.power import smallest_effect
from trimtab.model.anchor import Anchor, Counted, Dimension, HostProbe, QueryLevel
from trimtab.model.comparison import Comparison, DimensionComparison, Finding, Judgement, QueryComparison
from trimtab.model.latency import Latency
from trimtab.settle.student import t_quantile
from trimtab.settle.traffic import LEAST_CALLS, Runs, ratio_at_least

_LEAST_VARIANCE = 1e-12
_NORMAL_MAD = 1.4826
"""What the median absolute deviation of a normal distribution times gives its standard deviation."""
_HOST_CHANGED = 1.25
_GREW = 1.5
_MANY = 20


def compare(earlier: Anchor, later: Anchor, *, error_rate: float, margin: float) -> Comparison:
    """Return what the later anchor says beside the earlier one. `margin` 0.1: up to 10 % slower counts as the same."""
    if is_continued(earlier, later):
        later = _since(earlier, later)
    pairs = [(level, other) for level in earlier.queries if (other := later.query(level.query_id)) is not None]
    changes = _changes(pairs)
    common = _common(list(changes.values()))
    shares = {level.query_id: _share(level, earlier) for level, _ in pairs}
    judged = [
        _judged(
            was,
            now,
            shares[was.query_id],
            _common([change for query_id, change in changes.items() if query_id != was.query_id]),
            error_rate / max(1, len(pairs)),
            margin,
        )
        for was, now in pairs
    ]
    known = {level.query_id for level in earlier.queries}
    found = {level.query_id for level in later.queries}
    return Comparison(
        earlier.id,
        later.id,
        _finding(judged),
        error_rate,
        margin,
        None if common is None else exp(common.log_ratio),
        tuple(sorted(judged, key=lambda query: (-query.share, query.query_id))),
        _dimensions(earlier, later, pairs, judged),
        tuple(_differences(earlier, later)),
        tuple(sorted(known - found)),
        tuple(sorted(found - known)),
    )


def is_continued(earlier: Anchor, later: Anchor) -> bool:
    """Return whether the later anchor's counters hold those of the earlier one: of one server, since one moment."""
    is_same = (earlier.server, earlier.is_standby) == (later.server, later.is_standby)
    return is_same and earlier.since is not None and earlier.since == later.since and earlier.until < later.until


def _since(earlier: Anchor, later: Anchor) -> Anchor:
    """Return the later anchor with what ran after the earlier one alone."""
    levels = []
    for level in later.queries:
        was = earlier.query(level.query_id)
        both = None if was is None or was.counted is None else level.counted
        found = level.counted if both is None or was is None or was.counted is None else since_then(was.counted, both)
        levels.append(replace(level, counted=found))
    calls = sum(level.counted.calls for level in levels if level.counted is not None)
    seconds = (datetime.fromisoformat(later.until) - datetime.fromisoformat(earlier.until)).total_seconds()
    dimensions = [
        replace(d, level=calls / seconds if d.name == THROUGHPUT and seconds > 0 else None)
        if d.name in (THROUGHPUT, CONCURRENCY)
        else d
        for d in later.dimensions
    ]
    return replace(later, queries=tuple(levels), dimensions=tuple(dimensions))


def _finding(judged: Sequence[QueryComparison]) -> Finding:
    kinds = {query.judgement for query in judged}
    if Judgement.SLOWER in kinds:
        return Finding.WORSE
    if Judgement.FASTER in kinds:
        return Finding.BETTER
    return Finding.SAME if Judgement.SAME in kinds else Finding.UNKNOWN


def _same_plan(was: QueryLevel, now: QueryLevel) -> bool | None:
    """Whether the plan is the same: that for any parameters, where there are any, since drawn ones can be others."""
    if was.generic_shape and now.generic_shape:
        return was.generic_shape == now.generic_shape
    return was.plan_shape == now.plan_shape if was.plan_shape and now.plan_shape else None


def _share(level: QueryLevel, anchor: Anchor) -> float:
    if level.counted is not None:
        return level.counted.share
    total = sum(other.p50_ms * other.weight for other in anchor.queries if other.counted is None)
    return round(level.p50_ms * level.weight / total, 6) if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Common:
    """By how much queries changed together, as a logarithm, the variance of that, and of how many it is."""

    log_ratio: float
    variance: float
    count: int


_NOTHING_IN_COMMON = _Common(0.0, 0.0, 0)


def _changes(pairs: Sequence[tuple[QueryLevel, QueryLevel]]) -> dict[str, float]:
    """Return by how much the mean of each query whose plan is the same changed, in logarithms."""
    return {
        was.query_id: log(now.counted.mean_ms / was.counted.mean_ms)
        for was, now in pairs
        if _same_plan(was, now) is not False
        and was.counted is not None
        and now.counted is not None
        and min(was.counted.calls, now.counted.calls) >= LEAST_CALLS
        and min(was.counted.mean_ms, now.counted.mean_ms) > 0
    }


def _common(changes: Sequence[float]) -> _Common | None:
    """Return the median change, which a few that really changed do not move; None where they are too few."""
    if len(changes) < LEAST_COMPANIONS:
        return None
    middle = median(changes)
    deviation = _NORMAL_MAD * median(abs(change - middle) for change in changes)
    return _Common(middle, pi / 2 * deviation**2 / len(changes), len(changes))


def _judged(
    was: QueryLevel, now: QueryLevel, share: float, common: _Common | None, error_rate: float, margin: float
) -> QueryComparison:
    same_plan = _same_plan(was, now)

    def told(judgement: Judgement, ratio: float | None, bound: float, least: float | None, method: str, note: str = ""
             ) -> QueryComparison:  # fmt: skip
        rounded = None if ratio is None else round(ratio, 4)
        effect = None if least is None else round(least, 4)
        return QueryComparison(
            was.query_id, share, same_plan, judgement, rounded, round(bound, 4), effect, method, note
        )

    if was.latency is not None and now.latency is not None:
        judgement, least, is_testable = _by_executions(was.latency, now.latency, error_rate, margin)
        ratio = now.p50_ms / was.p50_ms if was.p50_ms > 0 else None
        if is_testable:
            bound = 1 + margin if judgement in (Judgement.SLOWER, Judgement.FASTER) else 0.0
            return told(judgement, ratio, bound, least, "executions")
    if was.counted is None or now.counted is None:
        return told(Judgement.UNJUDGED, None, 0.0, None, "", "too few executions were measured, and none counted")
    if min(was.counted.calls, now.counted.calls) < LEAST_CALLS:
        return told(Judgement.UNJUDGED, None, 0.0, None, "", f"fewer than {LEAST_CALLS} executions were counted")
    return told(*_by_means(was.counted, now.counted, common or _NOTHING_IN_COMMON, error_rate, margin), "means")


def _by_executions(
    was: Latency, now: Latency, error_rate: float, margin: float
) -> tuple[Judgement, float | None, bool]:
    """Return T1's judgement, each direction with half of the error rate, and the smallest effect it could have seen."""
    least: float | None = None
    is_testable = False
    before, after = _values(was), _values(now)
    for direction, judgement in ((Direction.SLOWER, Judgement.SLOWER), (Direction.FASTER, Judgement.FASTER)):
        limits = limits_of(before, error_rate=error_rate / 2, margin=margin, direction=direction)
        test = ExceedanceTest(limits)
        for value in after:
            test = test.observe(value)
        is_testable = is_testable or test.is_testable
        if test.is_proven:
            return judgement, None, True
        if direction is Direction.SLOWER and test.is_testable:
            least = smallest_effect(limits, before, len(after), needed=test.needed_e_value)
    return Judgement.SAME, least, is_testable


def _values(latency: Latency) -> list[float | None]:
    """Return the sampled times in ms, None for a failure: those that reached a limit took the longest."""
    failures = round(latency.errors * len(latency.sample) / latency.count) if latency.count else 0
    longest = set(sorted(range(len(latency.sample)), key=lambda n: latency.sample[n])[len(latency.sample) - failures :])
    return [None if number in longest else ms for number, ms in enumerate(latency.sample)]


def _by_means(
    was: Counted, now: Counted, common: _Common, error_rate: float, margin: float
) -> tuple[Judgement, float, float, float]:
    """Return the judgement, the ratio without the common change, the bound and the smallest effect that was seen."""
    shared = exp(common.log_ratio)
    before, after = _runs(was), _runs(now)
    limit = 1 + margin
    slower = ratio_at_least(before, after, shared, common.variance, common.count, limit, error_rate / 2)
    faster = ratio_at_least(after, before, 1 / shared, common.variance, common.count, limit, error_rate / 2)
    ratio = after.mean_ms / (before.mean_ms * shared)
    judgement = Judgement.SLOWER if slower > limit else Judgement.FASTER if faster > limit else Judgement.SAME
    bound = {Judgement.SLOWER: slower, Judgement.FASTER: faster}.get(judgement, 0.0)
    return judgement, ratio, bound, _least_seen(before, after, common.variance, limit, error_rate / 2)


def _runs(counted: Counted) -> Runs:
    mean_ms = max(counted.mean_ms, 1e-6)
    scatter = counted.deviation_ms**2 * counted.calls / (counted.calls - 1)
    return Runs(counted.calls, mean_ms, max(scatter, _LEAST_VARIANCE * mean_ms**2))


def _least_seen(was: Runs, now: Runs, spread: float, limit: float, error_rate: float) -> float:
    """Return the ratio that would have been shown four times out of five, in the logarithm's normal approximation."""
    error = sqrt(was.variance / (was.calls * was.mean_ms**2) + now.variance / (now.calls * now.mean_ms**2) + spread)
    freedom = min(was.calls, now.calls) - 1
    return limit * exp((t_quantile(1 - error_rate, freedom) + t_quantile(0.8, freedom)) * error)


def _dimensions(
    earlier: Anchor,
    later: Anchor,
    pairs: Sequence[tuple[QueryLevel, QueryLevel]],
    judged: Sequence[QueryComparison],
) -> tuple[DimensionComparison, ...]:
    counted = [(was.counted, now.counted) for was, now in pairs if was.counted is not None and now.counted is not None]
    later_by_name = {dimension.name: dimension.level for dimension in later.dimensions}
    levels: dict[str, float | None] = {THROUGHPUT: later_by_name.get(THROUGHPUT), CONCURRENCY: None}
    calls = sum(was.calls for was, _ in counted)
    # The earlier one's mix, so that other calls are no other latency.
    levels[LATENCY] = sum(was.calls * now.mean_ms for was, now in counted) / calls if calls else None
    levels[EFFICIENCY] = sum(was.calls * now.blocks for was, now in counted) / calls if calls else None
    before = {
        LATENCY: sum(was.calls * was.mean_ms for was, _ in counted) / calls if calls else None,
        EFFICIENCY: sum(was.calls * was.blocks for was, _ in counted) / calls if calls else None,
    }
    levels[CONCURRENCY] = later_by_name.get(CONCURRENCY)
    whole = sum(query.share for query in judged)
    held = sum(q.share for q in judged if q.same_plan is not False and q.judgement is not Judgement.SLOWER)
    is_judged = any(query.judgement is not Judgement.UNJUDGED for query in judged)
    levels[COHERENCE] = held / whole if whole > 0 and is_judged else None
    return tuple(_in_band(d, before.get(d.name, d.level), levels.get(d.name)) for d in earlier.dimensions)


def _in_band(dimension: Dimension, earlier: float | None, later: float | None) -> DimensionComparison:
    """The band is moved with the earlier level, where that is of the queries of both alone."""
    is_within: bool | None = None
    if None not in (dimension.level, dimension.low, dimension.high, earlier, later):
        assert dimension.level and dimension.low is not None and dimension.high is not None  # noqa: PT018
        assert earlier is not None and later is not None  # noqa: PT018
        scale = earlier / dimension.level if dimension.name != COHERENCE else 1.0
        is_within = dimension.low * scale <= later <= dimension.high * scale
    rounded = [None if value is None else round(value, 6) for value in (earlier, later)]
    note = "" if is_within is not None else dimension.note or "not measured in both"
    return DimensionComparison(dimension.name, dimension.unit, rounded[0], rounded[1], is_within, note)


def _differences(earlier: Anchor, later: Anchor) -> list[str]:
    """Return what else is another one: what may be the reason for a difference, beside the queries themselves."""
    told = []
    if earlier.server != later.server:
        told.append("they are of different databases")
    if earlier.server == later.server and earlier.since is None and later.since is None:
        told.append("nobody knows since when was counted: the later counters may hold the earlier ones")
    if earlier.is_standby != later.is_standby:
        told.append("one of them is of a standby")
    if earlier.server_version != later.server_version:
        told.append(f"server version {earlier.server_version} became {later.server_version}")
    told += _host(earlier.state.host, later.state.host)
    told += [f"setting {name} differs" for name in _changed(earlier.settings, later.settings)]
    scopes = earlier.state.scoped_settings, later.state.scoped_settings
    for scope in sorted(scopes[0].keys() | scopes[1].keys()):
        changed = _changed(scopes[0].get(scope, {}), scopes[1].get(scope, {}))
        told += [f"setting {name} of {scope} differs" for name in changed]
    told += [f"extension {name} differs" for name in _changed(earlier.state.extensions, later.state.extensions)]
    told += _tables(earlier, later)
    return told if len(told) <= _MANY else [*told[:_MANY], f"and {len(told) - _MANY} more"]


def _changed(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))


def _host(was: HostProbe, now: HostProbe) -> list[str]:
    told = []
    for name, before, after in (
        ("processor", was.processor_ms, now.processor_ms),
        ("memory", was.memory_ms, now.memory_ms),
    ):
        if min(before, after) > 0 and not 1 / _HOST_CHANGED <= after / before <= _HOST_CHANGED:
            told.append(f"the host's {name} took {after / before:.2f} times as long for the same work")
    return told


def _tables(earlier: Anchor, later: Anchor) -> list[str]:
    told = []
    was, now = earlier.state.tables, later.state.tables
    for name in sorted(was.keys() | now.keys()):
        before, after = was.get(name), now.get(name)
        if before is None or after is None:
            told.append(f"table {name} {'is new' if before is None else 'is gone'}")
            continue
        if before.definition != after.definition:
            told.append(f"table {name} is defined otherwise: a column, index, key or statistics object")
        if min(before.pages, after.pages) > 0 and not 1 / _GREW <= after.pages / before.pages <= _GREW:
            told.append(f"table {name} has {after.pages / before.pages:.2f} times the pages")
        if before.statistics and after.statistics and before.statistics != after.statistics:
            told.append(f"table {name} has other statistics")
    return told
