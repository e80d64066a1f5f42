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
    """What is to be explained: a change point by its index or a breach by its id.

    It most likely came after `start_ns` and not after `end_ns`, one interval; perhaps as late as `latest_ns`.
    """

    name: int | str
    start_ns: int
    end_ns: int
    latest_ns: int


def associations(
    targets: Sequence[Target], events: Sequence[Event], times_ns: Hours, *, max_lag_seconds: float
) -> tuple[Association, ...]:
    """Return the nearest event of each kind before each target, with the chance of one so close; the least first."""
    found: list[Association] = []
    for of_kind in _by_kind(events).values():
        kind = _Kind(of_kind, times_ns)
        for target in targets:
            event, lag = kind.nearest(target)
            if abs(lag) <= max_lag_seconds:
                share = max(kind.share_within(target, abs(lag)), 1.0 / len(times_ns))
                found.append(Association(event, target.name, lag, share, 1.0))
    return _adjusted(found)


def kind_associations(
    targets: Sequence[Target], events: Sequence[Event], times_ns: Hours, *, within_seconds: float
) -> tuple[KindAssociation, ...]:
    """Return for each kind how many targets it precedes within so many seconds, against the share of places it does."""
    found = []
    for name, of_kind in _by_kind(events).items():
        kind = _Kind(of_kind, times_ns)
        preceded = sum(abs(kind.nearest(target)[1]) <= within_seconds for target in targets)
        if targets:
            # The largest share stands for all: the bound is then on the safe side.
            chance = max(kind.share_within(target, within_seconds) for target in targets)
            p_value = _at_least(preceded, len(targets), chance)
            found.append(KindAssociation(name, preceded, len(targets), chance, within_seconds, p_value))
    return tuple(sorted(found, key=lambda k: (k.p_value, k.kind)))


class _Kind:
    """The events of one kind, and how close to each place of the series they come."""

    def __init__(self, events: Sequence[Event], times_ns: Hours) -> None:
        self._events = events
        self._at = np.array([event.time_ns for event in events])
        self._times_ns = times_ns
        self._by_margin: dict[int, Numbers] = {}

    def nearest(self, target: Target) -> tuple[Event, float]:
        """Return the nearest event that may have come before, and by how many seconds; infinitely many: there is none.

        The lag is 0 within the target's likeliest interval, and below 0 after it but not after `latest_ns`.
        """
        at, lags = self._lags(
            np.array([target.start_ns]), np.array([target.end_ns]), max(0, target.latest_ns - target.end_ns)
        )
        return self._events[int(at[0])], float(lags[0])

    def share_within(self, target: Target, seconds: float) -> float:
        """Return the share of the places, each with as much room behind it as the target, that are no further off."""
        margin = max(0, target.latest_ns - target.end_ns)
        if len(self._times_ns) < 2:
            return 1.0
        if margin not in self._by_margin:
            _, lags = self._lags(self._times_ns[:-1], self._times_ns[1:], margin)
            self._by_margin[margin] = np.sort(np.abs(lags))
        distances = self._by_margin[margin]
        return int(np.searchsorted(distances, seconds, side="right")) / len(distances)

    def _lags(self, starts_ns: Hours, ends_ns: Hours, margin_ns: int) -> tuple[Hours, Numbers]:
        """Return for each interval the number of the nearest event, and its lag in seconds."""
        following = np.searchsorted(self._at, ends_ns, side="right")
        before, after = np.maximum(following - 1, 0), np.minimum(following, len(self._at) - 1)
        lag = np.where(following > 0, np.maximum(0, starts_ns - self._at[before]) / _NS, np.inf)
        lead = np.where(following < len(self._at), (self._at[after] - ends_ns) / _NS, np.inf)
        is_after = (lead <= margin_ns / _NS) & (lead < lag)
        return np.where(is_after, after, before), np.where(is_after, -lead, lag)


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
    ordered = sorted(found, key=lambda a: (a.p_value, abs(a.lag_seconds), a.event.time_ns, a.event.kind))
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
            found.append(Target(event.id, int(times_ns[max(at - 1, 0)]), event.time_ns, event.time_ns))
        last = at
    return found
