"""Describes how a level evolved: season out, steps found, drift told from steps, events put beside them.

Pure: the same points, events and rules give the same description. What it means is said in `insights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite, log, log1p

import numpy as np

from trimtab.anchor.autocorrelation import Numbers, variance_inflation
from trimtab.anchor.change_points import Split, splits, within_magnitude
from trimtab.anchor.seasonality import HOUR_NS, Hours, seasonality
from trimtab.anchor.temporal_correlation import (
    Target,
    associations,
    breach_targets,
    correlation,
    kind_associations,
)
from trimtab.anchor.trend import median_interval, shift_interval, slope_interval
from trimtab.model.evolution import (
    AnchoredLevel,
    ChangePoint,
    Drift,
    Event,
    EventKind,
    Evolution,
    Level,
    Point,
    Rules,
    Scale,
    Seasonality,
    Segment,
    Series,
)

_DAY_NS = 24.0 * HOUR_NS


def describe(
    series: Series,
    events: Sequence[Event] = (),
    companions: Sequence[Series] = (),
    *,
    watched: frozenset[EventKind] = frozenset(),
    anchored: AnchoredLevel | None = None,
    rules: Rules | None = None,
) -> Evolution:
    """Return all that the points tell. Points that are not numbers, rest on too few calls or, by ratio, are not above 0
    are left out and counted. Companions are other series (load, a host's probe) that may move along. `watched` are the
    kinds of event that the caller would have told; those of the events count as such anyway.
    """
    rules = rules or Rules()
    kept = _kept(series, rules)
    times_ns = np.array([point.time_ns for point in kept], dtype=np.int64)
    raw = _forward(series.scale, np.array([point.value for point in kept], dtype=np.float64))
    season, effects = seasonality(times_ns, raw)
    fit = _fitted(times_ns, raw - effects, _least_shift(series.scale, rules), rules)
    if fit.steps and season.hours:
        # A step within a week blurs its hours: they are taken again from what the steps leave.
        season, effects = seasonality(times_ns, raw - _explained(times_ns, raw - effects, fit))
        fit = _fitted(times_ns, raw - effects, _least_shift(series.scale, rules), rules)
    values = raw - effects
    drift = _drift(series.scale, times_ns, values, fit, rules)
    if drift is not None and drift.is_drift:
        fit = replace(fit, slope=_additive(series.scale, drift.per_day))
    steps = _change_points(series.scale, times_ns, values, fit, rules)
    happened = tuple(sorted(events, key=lambda event: (event.time_ns, event.kind, event.id)))
    targets = [Target(s.index, int(times_ns[s.index - 1]), s.time_ns, s.latest_ns) for s in steps]
    targets += breach_targets(happened, times_ns)
    segments = _segments(series.scale, times_ns, values, fit, rules)
    return Evolution(
        series=series,
        rules=rules,
        kept=kept,
        left_out=len(series.points) - len(kept),
        dependence=fit.inflation,
        seasonality=_by_factor(series.scale, season),
        level=segments[-1].level if segments else None,
        drift=drift,
        segments=segments,
        change_points=steps,
        events=happened,
        watched=watched | {event.kind for event in happened},
        anchored=anchored,
        associations=associations(targets, happened, times_ns, max_lag_seconds=rules.max_lag_seconds),
        kinds=kind_associations(targets, happened, times_ns, within_seconds=_usual_gap_seconds(times_ns)),
        correlations=tuple(c for other in companions if (c := correlation(times_ns, values, other)) is not None),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """Steps over one slope by day (0 where there is no drift), and the variance inflation of what they leave."""

    steps: tuple[Split, ...]
    slope: float
    inflation: float


def _kept(series: Series, rules: Rules) -> tuple[Point, ...]:
    least = 0.0 if series.scale is Scale.RATIO else -float("inf")
    counts = (p for p in series.points if isfinite(p.value) and p.value > least and p.calls >= rules.min_calls)
    return tuple(sorted(counts, key=lambda point: point.time_ns))


def _fitted(times_ns: Hours, values: Numbers, min_shift: float, rules: Rules) -> _Fit:
    """Return the steps, or a line with fewer steps where that describes the points better.

    A steady drift looks like stairs. So where steps are found, the same search is done about a straight line, and the
    better of them by Schwarz's criterion (absolute deviations, as many points as the autocorrelation leaves) is taken.
    Steps are looked for about a line only where there are some without it: the bound on the error holds for all.
    """
    plain = _stepped(values, 0.0, times_ns, min_shift, rules)
    if not plain.steps:
        return plain
    days = _days(times_ns)
    candidates = [plain]
    for edges in ([0, len(values)], _edges(plain.steps, len(values))):
        sloped = slope_interval(days, values, edges, confidence=rules.confidence, inflation=plain.inflation)
        if sloped is not None:
            candidates.append(_stepped(values, sloped[0], times_ns, min_shift, rules))
    effective = len(values) / min(fit.inflation for fit in candidates)

    def criterion(fit: _Fit) -> float:
        deviation = float(np.abs(values - _explained(times_ns, values, fit)).mean())
        # A step's place costs as much as two of its levels (Zhang and Siegmund, Biometrics 2007).
        parameters = 1 + 3 * len(fit.steps) + (fit.slope != 0.0)
        return effective * log(max(deviation, 1e-12)) + parameters * log(max(effective, 2.0)) / 2.0

    return min(candidates, key=criterion)


def _stepped(values: Numbers, slope: float, times_ns: Hours, min_shift: float, rules: Rules) -> _Fit:
    about = values - slope * _days(times_ns)
    inflation = variance_inflation(about)
    found = splits(about, error_rate=rules.error_rate, min_points=rules.min_points, inflation=inflation)
    large = within_magnitude(about, found, min_shift, min_points=rules.min_points, inflation=inflation)
    fit = _Fit(tuple(large), slope, inflation)
    # What seemed autocorrelation may have been steps: intervals of levels and slopes go by what they leave.
    return replace(fit, inflation=variance_inflation(values - _explained(times_ns, values, fit))) if large else fit


def _explained(times_ns: Hours, values: Numbers, fit: _Fit) -> Numbers:
    """Return for each point the level, or line, of its segment."""
    line = fit.slope * _days(times_ns)
    about = values - line
    levels = [
        np.full(last - first, np.median(about[first:last])) for first, last in pairwise(_edges(fit.steps, len(about)))
    ]
    explained: Numbers = line + np.concatenate(levels)
    return explained


def _change_points(scale: Scale, times_ns: Hours, values: Numbers, fit: _Fit, rules: Rules) -> tuple[ChangePoint, ...]:
    days = _days(times_ns)
    edges = _edges(fit.steps, len(values))
    found = []
    for number, step in enumerate(fit.steps):
        # Where there is drift, the levels are those at the step.
        about = values - fit.slope * (days - days[step.index])
        old, new = about[edges[number] : step.index], about[step.index : edges[number + 2]]
        shift = shift_interval(old, new, confidence=rules.confidence, inflation=fit.inflation)
        middle, low, high = (_backward(scale, value) for value in shift)
        found.append(
            ChangePoint(
                index=step.index,
                time_ns=int(times_ns[step.index]),
                earliest_ns=int(times_ns[step.earliest - 1]),
                latest_ns=int(times_ns[step.latest]),
                before=_backward(scale, float(np.median(old))),
                after=_backward(scale, float(np.median(new))),
                shift=middle,
                shift_low=low,
                shift_high=high,
                p_value=step.p_value,
            )
        )
    return tuple(found)


def _segments(scale: Scale, times_ns: Hours, values: Numbers, fit: _Fit, rules: Rules) -> tuple[Segment, ...]:
    """Return the segments between steps; a level that drifts is told where the segment ends."""
    edges = _edges(fit.steps, len(values))
    days = _days(times_ns)
    found = []
    for first, last in pairwise(edges):
        if last - first < rules.min_points:
            continue
        part = values[first:last] - fit.slope * (days[first:last] - days[last - 1])
        middle, low, high = median_interval(part, confidence=rules.confidence, inflation=fit.inflation)
        band = np.quantile(part, (0.1, 0.9))
        level = Level(
            value=_backward(scale, middle),
            low=_backward(scale, low),
            high=_backward(scale, high),
            band_low=_backward(scale, float(band[0])),
            band_high=_backward(scale, float(band[1])),
            n=last - first,
        )
        found.append(Segment(first, last, int(times_ns[first]), int(times_ns[last - 1]), level))
    return tuple(found)


def _drift(scale: Scale, times_ns: Hours, values: Numbers, fit: _Fit, rules: Rules) -> Drift | None:
    if len(values) < rules.min_points:
        return None
    days = _days(times_ns)
    edges = _edges(fit.steps, len(values))
    sloped = slope_interval(days, values, edges, confidence=rules.confidence, inflation=fit.inflation)
    if sloped is None:
        return None
    slope, low, high = sloped
    window = slope * float(days[-1])
    is_drift = (low > 0.0 or high < 0.0) and abs(window) >= _least_shift(scale, rules)
    none = 1.0 if scale is Scale.RATIO else 0.0
    return Drift(
        per_day=_backward(scale, slope) - none,
        low=_backward(scale, low) - none,
        high=_backward(scale, high) - none,
        over_window=_backward(scale, window) - none,
        n=len(values),
        is_drift=is_drift,
    )


def _by_factor(scale: Scale, season: Seasonality) -> Seasonality:
    effects = tuple(_backward(scale, effect) for effect in season.effects)
    return Seasonality(season.hours, effects, season.explained, season.days_of_history, season.reason)


def _edges(steps: Sequence[Split], length: int) -> list[int]:
    return [0, *(step.index for step in steps), length]


def _days(times_ns: Hours) -> Numbers:
    days: Numbers = (times_ns - times_ns[0]) / _DAY_NS if len(times_ns) else np.empty(0)
    return days


def _usual_gap_seconds(times_ns: Hours) -> float:
    return float(np.median(np.diff(times_ns))) / 1e9 if len(times_ns) > 1 else 0.0


def _least_shift(scale: Scale, rules: Rules) -> float:
    return log(1.0 + rules.min_shift) if scale is Scale.RATIO else rules.min_shift


def _forward(scale: Scale, values: Numbers) -> Numbers:
    moved: Numbers = np.log(values) if scale is Scale.RATIO else values
    return moved


def _additive(scale: Scale, per_day: float) -> float:
    return log1p(per_day) if scale is Scale.RATIO else per_day


def _backward(scale: Scale, value: float) -> float:
    return float(np.exp(value)) if scale is Scale.RATIO else value
