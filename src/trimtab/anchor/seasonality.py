"""What the hour of the week, or of the day, does to a series, where there is history enough to tell.

An effect is taken out only if it foretells weeks that it was not taken from; otherwise the reason is given. Hours are
UTC: where clocks are set forward and back, local hours move against them twice a year.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.anchor.autocorrelation import Numbers
from trimtab.anchor.wording import percent
from trimtab.model.evolution import Seasonality

Hours = NDArray[np.int64]

HOUR_NS = 3_600_000_000_000
_MONDAY = 4 * 24
"""Hours from the beginning of UTC's count, a Thursday, to its first Monday."""
_FEWEST_PERIODS = {168: 4, 24: 7}
_SHARE_OF_HOURS = 0.8
_LEAST_EXPLAINED = 0.1


def seasonality(times_ns: Hours, values: Numbers) -> tuple[Seasonality, Numbers]:
    """Return the seasonality of additive values, and its effect on each point (0 where none is taken out).

    The hour of the week needs four weeks, that of the day seven days; the one that foretells better is taken.
    """
    days = float(times_ns[-1] - times_ns[0]) / HOUR_NS / 24 if len(times_ns) else 0.0
    nothing = np.zeros(len(values))
    hours = times_ns // HOUR_NS
    best: tuple[float, int, Numbers] | None = None
    reasons = []
    for period, needed in _FEWEST_PERIODS.items():
        name = "week" if period == 168 else "day"
        if days < needed * period / 24:
            reasons.append(f"{days:.1f} days of history, the hour of the {name} needs {needed * period // 24}")
            continue
        found = _effects(hours, values, period)
        if found is None:
            reasons.append(f"too few points in most hours of the {name}")
            continue
        explained, effects = found
        if explained < _LEAST_EXPLAINED:
            reasons.append(
                f"the hour of the {name} foretells {percent(max(explained, 0.0))} of the deviations,"
                f" less than {percent(_LEAST_EXPLAINED)}"
            )
        elif best is None or explained > best[0]:
            best = (explained, period, effects)
    if best is None:
        return Seasonality(0, (), 0.0, days, "; ".join(reasons)), nothing
    explained, period, effects = best
    reason = f"the hour of the {'week' if period == 168 else 'day'} foretells {percent(explained)} of the deviations"
    return Seasonality(period, tuple(effects.tolist()), explained, days, reason), effects[_slots(hours, period)]


def _slots(hours: Hours, period: int) -> Hours:
    return (hours - _MONDAY) % period


def _effects(hours: Hours, values: Numbers, period: int) -> tuple[float, Numbers] | None:
    """Return the share of the deviations that effects of other periods explain, and the effects. None: too few."""
    each, table = _by_period(hours, values, period)
    is_seen = (~np.isnan(table)).sum(axis=0) >= _FEWEST_PERIODS[period] - 1
    if is_seen.mean() < _SHARE_OF_HOURS:
        return None
    left = total = 0.0
    for number in range(len(each)):
        row = table[number]
        is_told = ~np.isnan(row) & is_seen
        effects = _medians(np.delete(table, number, axis=0), is_seen)
        left += float(np.abs(row - effects)[is_told].sum())
        total += float(np.abs(row)[is_told].sum())
    return (1.0 - left / total if total > 0.0 else 0.0), _medians(table, is_seen)


def _by_period(hours: Hours, values: Numbers, period: int) -> tuple[Hours, Numbers]:
    """Return the numbers of the periods, and a row of each: the deviation of every hour from the median around it."""
    distinct, first, counts = np.unique(hours, return_index=True, return_counts=True)
    ordered = values[np.lexsort((values, hours))]
    hourly = (ordered[first + (counts - 1) // 2] + ordered[first + counts // 2]) / 2.0
    # A window of one period has each hour once: its median is the level there, whatever the season does. It moves
    # slowly: eight of them in a period do.
    middles = distinct[:: period // 8]
    starts = np.searchsorted(distinct, middles - period // 2)
    ends = np.searchsorted(distinct, middles + period // 2)
    levels = [float(np.median(hourly[a:b])) for a, b in zip(starts, ends, strict=True)]
    around = np.interp(distinct, middles, levels)
    numbers = (distinct - _MONDAY) // period
    each, row = np.unique(numbers, return_inverse=True)
    table = np.full((len(each), period), np.nan)
    table[row, _slots(distinct, period)] = hourly - around
    return each, table


def _medians(table: Numbers, is_seen: NDArray[np.bool_]) -> Numbers:
    """Return the median of each hour that is seen often enough, about their own median; 0 for others."""
    effects = np.zeros(table.shape[1])
    ordered = np.sort(table[:, is_seen], axis=0)
    # What is not known is sorted behind all that is.
    known = (~np.isnan(ordered)).sum(axis=0)
    column = np.arange(ordered.shape[1])
    told = (ordered[(known - 1) // 2, column] + ordered[known // 2, column]) / 2.0
    effects[is_seen] = told - np.median(told)
    return effects
