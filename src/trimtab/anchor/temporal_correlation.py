"""Which events precede change points and breaches more closely than by chance, and which load moves along.

Chance is counted, not drawn: the target could have stood at any point of the series. That something precedes closely is
a reason to look; it proves no cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, lgamma, log, log1p

import numpy as np

from trimtab.anchor.autocorrelation import Numbers, variance_inflation
from trimtab.anchor.seasonality import Hours
from trimtab.anchor.trend import rank_correlation
from trimtab.model.evolution import CAUSES, Association, Correlation, Event, EventKind, KindAssociation, Series

_NS = 1e9
_FEWEST_PAIRED = 12


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be explained: a change point by its index or a breach by its id, and the bounds of when it came."""

    name: int | str
    earliest_ns: int
    latest_ns: int


def associations(
    targets: Sequence[Target], events: Sequence[Event], times_ns: Hours, *, max_lag_seconds: float
) -> tuple[Association, ...]:
    """Return the last event of each kind before each target, with the chance of one so close; the least first."""
    found: list[Association] = []
    for of_kind in _by_kind(events).values():
        kind = _Kind(of_kind, times_ns)
        for target in targets:
            lag = kind.lag(target)
            if lag <= max_lag_seconds:
                share = max(kind.share_within(target, lag), 1.0 / len(times_ns))
                found.append(Association(kind.last_before(target), target.name, lag, share, 1.0))
    return _adjusted(found)


def kind_associations(
    targets: Sequence[Target], events: Sequence[Event], times_ns: Hours, *, within_seconds: float
) -> tuple[KindAssociation, ...]:
    """Return for each kind how many targets it precedes within so many seconds, against the share of places it does."""
    found = []
    for name, of_kind in _by_kind(events).items():
        kind = _Kind(of_kind, times_ns)
        preceded = sum(kind.lag(target) <= within_seconds for target in targets)
        if targets:
            # The largest share stands for all: the bound is then on the safe side.
            chance = max(kind.share_within(target, within_seconds) for target in targets)
            p_value = _at_least(preceded, len(targets), chance)
            found.append(KindAssociation(name, preceded, len(targets), chance, within_seconds, p_value))
    return tuple(sorted(found, key=lambda k: (k.p_value, k.kind)))


class _Kind:
    """The events of one kind, and how close before each place of the series they come."""

    def __init__(self, events: Sequence[Event], times_ns: Hours) -> None:
        self._events = events
        self._at = np.array([event.time_ns for event in events])
        self._times_ns = times_ns
        self._by_width: dict[int, Numbers] = {}

    def last_before(self, target: Target) -> Event:
        """Return the last event that is not after the target; there must be one."""
        return self._events[int(np.searchsorted(self._at, target.latest_ns, side="right")) - 1]

    def lag(self, target: Target) -> float:
        """Return the seconds from that event to the target: 0 when it is within its bounds, infinite without one."""
        return float(self._lags(np.array([target.earliest_ns]), np.array([target.latest_ns]))[0])

    def share_within(self, target: Target, seconds: float) -> float:
        """Return the share of the places, with bounds as many points apart as the target's, of no longer lag."""
        first, last = np.searchsorted(self._times_ns, (target.earliest_ns, target.latest_ns))
        width = min(max(1, int(last - first)), len(self._times_ns) - 1)
        if width < 1:
            return 1.0
        if width not in self._by_width:
            self._by_width[width] = np.sort(self._lags(self._times_ns[:-width], self._times_ns[width:]))
        lags = self._by_width[width]
        return int(np.searchsorted(lags, seconds, side="right")) / len(lags)

    def _lags(self, earliest_ns: Hours, latest_ns: Hours) -> Numbers:
        at = np.searchsorted(self._at, latest_ns, side="right") - 1
        lags = np.maximum(0, earliest_ns - self._at[np.maximum(at, 0)]) / _NS
        return np.where(at >= 0, lags, np.inf)


def correlation(times_ns: Hours, values: Numbers, companion: Series) -> Correlation | None:
    """Return how a companion series moves along: each point with the companion's last one before it. None: too few.

    Both are taken as differences from the point before, so that two series that merely wander do not seem related.
    """
    points = sorted(companion.points, key=lambda point: point.time_ns)
    if len(points) < _FEWEST_PAIRED or len(times_ns) < _FEWEST_PAIRED:
        return None
    theirs = np.array([point.time_ns for point in points])
    at = np.searchsorted(theirs, times_ns, side="right") - 1
    # A companion's point stands for as long as its intervals usually are, twice that at most.
    is_paired = (at >= 0) & (times_ns - theirs[np.maximum(at, 0)] <= 2 * np.median(np.diff(theirs)))
    if is_paired.sum() < _FEWEST_PAIRED:
        return None
    paired = np.array([point.value for point in points])[at[is_paired]]
    left, right = np.diff(values[is_paired]), np.diff(paired)
    # Of two series that are alike in themselves the variance of rho is at most inflated by the lesser of their factors.
    inflation = min(variance_inflation(left), variance_inflation(right))
    rho, p_value = rank_correlation(left, right, inflation=inflation)
    return Correlation(companion.id, companion.dimension, rho, p_value, len(left))


def _by_kind(events: Sequence[Event]) -> dict[EventKind, list[Event]]:
    grouped: dict[EventKind, list[Event]] = {}
    for event in sorted(events, key=lambda event: event.time_ns):
        if event.kind in CAUSES:
            grouped.setdefault(event.kind, []).append(event)
    return grouped


def _adjusted(found: Sequence[Association]) -> tuple[Association, ...]:
    """Return them with Holm's adjusted chances (Scandinavian Journal of Statistics 1979)."""
    ordered = sorted(found, key=lambda a: (a.p_value, a.lag_seconds, a.event.time_ns, a.event.kind))
    adjusted, highest = [], 0.0
    for number, association in enumerate(ordered):
        highest = max(highest, min(1.0, association.p_value * (len(ordered) - number)))
        adjusted.append(replace(association, adjusted_p=highest))
    return tuple(adjusted)


def _at_least(count: int, trials: int, chance: float) -> float:
    """Return the chance of so many or more."""
    if count == 0 or chance >= 1.0:
        return 1.0
    if chance <= 0.0:
        return 0.0
    odds = log(chance), log1p(-chance)
    whole = lgamma(trials + 1)
    logs = (
        whole - lgamma(k + 1) - lgamma(trials - k + 1) + k * odds[0] + (trials - k) * odds[1]
        for k in range(count, trials + 1)
    )
    return min(1.0, sum(exp(term) for term in logs))


def breach_targets(events: Sequence[Event], times_ns: Hours) -> list[Target]:
    """Return the breaches as targets: each came in the interval that ends at its time. Of a burst the first counts."""
    found: list[Target] = []
    last = -2
    for event in sorted(events, key=lambda event: event.time_ns):
        if event.kind is not EventKind.BREACH or not len(times_ns):
            continue
        at = int(np.searchsorted(times_ns, event.time_ns))
        if at > last + 1:
            found.append(Target(event.id, int(times_ns[max(at - 1, 0)]), event.time_ns))
        last = at
    return found
