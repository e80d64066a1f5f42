"""Finds lasting steps of a series, with a bound on the chance that a series without any shows one.

Seeded intervals (Kovács, Bühlmann, Li, Munk, "Seeded binary segmentation", Biometrika 2023) are each tested for one
step by the largest standardised sum of normal scores; the narrowest significant interval wins (Baranowski, Chen,
Fryzlewicz, "Narrowest-over-threshold detection", JRSS B 2019). Nothing is drawn at random, and a cause is not sought.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, erfc, exp, floor, log, pi, sqrt

import numpy as np

from trimtab.anchor.autocorrelation import Numbers, normal_scores

_DECAY = sqrt(0.5)
_LOCATION = 7.35
"""-2 log(1 - sqrt(0.95)): the 95 % quantile of the likelihood ratio of a step's place (Hansen, Econometrica 2000)."""


@dataclass(frozen=True, slots=True)
class Split:
    """A step before the point `index`, most likely between the points `earliest` and `latest` (inclusive)."""

    index: int
    earliest: int
    latest: int
    p_value: float


@dataclass(frozen=True, slots=True)
class _Found:
    first: int
    last: int
    index: int
    p_value: float


def splits(values: Numbers, *, error_rate: float, min_points: int, inflation: float = 1.0) -> list[Split]:
    """Return the steps in order; `inflation` is the factor of `variance_inflation`.

    Where the points are exchangeable (their order means nothing) the chance of any step is at most `error_rate`: the
    intervals share it, first by length, then equally (Bonferroni). A level has `min_points` points or more.
    """
    layers = list(_layers(len(values), 2 * min_points))
    significant: list[_Found] = []
    for intervals in layers:
        tests = len(layers) * len(intervals)
        for first, last in intervals:
            found = _tested(values[first:last], min_points, inflation)
            if found is not None and found[1] * tests <= error_rate:
                significant.append(_Found(first, last, first + found[0], min(1.0, found[1] * tests)))
    chosen = _narrowest(significant, len(values), min_points)
    return _confirmed(values, chosen, error_rate, min_points, inflation)


def within_magnitude(
    values: Numbers, found: Sequence[Split], min_shift: float, *, min_points: int, inflation: float
) -> list[Split]:
    """Return the steps of `min_shift` or more between the medians of their neighbours; the least goes first.

    What is left is placed anew, as its neighbours may now reach further.
    """
    kept = list(found)
    while kept:
        edges = [0, *(split.index for split in kept), len(values)]
        medians = [float(np.median(values[a:b])) for a, b in pairwise(edges)]
        shifts = [abs(b - a) for a, b in pairwise(medians)]
        least = int(np.argmin(shifts))
        if shifts[least] >= min_shift:
            return kept
        del kept[least]
        kept = _placed(values, [_Found(0, len(values), s.index, s.p_value) for s in kept], min_points, inflation)
    return kept


def _layers(length: int, shortest: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the seeded intervals of all points, of 0.71 times as many, and so on down to `shortest`."""
    layer = 0
    while (size := length * _DECAY**layer) >= shortest:
        count = 2 * ceil((1.0 / _DECAY) ** layer) - 1
        step = (length - size) / (count - 1) if count > 1 else 0.0
        yield [(floor(n * step), min(length, ceil(n * step + size))) for n in range(count)]
        layer += 1


def _tested(values: Numbers, min_points: int, inflation: float) -> tuple[int, float] | None:
    """Return where a step fits best, and the chance that one fits as well where there is none."""
    length = len(values)
    if length < 2 * min_points:
        return None
    statistic = _standardised(values, min_points, inflation)
    if statistic is None:
        return None
    best = int(np.argmax(statistic))
    return best + min_points, _chance(float(statistic[best]), length, min_points)


def _standardised(values: Numbers, min_points: int, inflation: float) -> Numbers | None:
    """Return for each split, `min_points` from either end, the size of the sum of scores in standard deviations.

    The variance is that of a sum drawn without replacement, which needs no law of the values and allows ties.
    """
    length = len(values)
    scores = normal_scores(values)
    squares = float(np.square(scores).sum())
    if squares <= 0.0:
        return None
    before = np.arange(min_points, length - min_points + 1, dtype=np.float64)
    sums = np.cumsum(scores)[min_points - 1 : length - min_points]
    variance = before * (length - before) / (length * (length - 1.0)) * squares * inflation
    found: Numbers = np.abs(sums) / np.sqrt(variance)
    return found


def _chance(largest: float, length: int, min_points: int) -> float:
    """Return a bound on the chance that the largest of the standardised sums is so large without a step.

    The lesser of Bonferroni's bound over the splits and the tail for the continuous time limit (Vostrikova 1981; Csörgő
    and Horváth, Limit Theorems in Change-Point Analysis, 1997, 1.3.26), which lies above that of the discrete sums.
    """
    splits_tried = length - 2 * min_points + 1
    each = erfc(largest / sqrt(2.0))
    bonferroni = splits_tried * each
    share = min_points / length
    if largest < 2.0 or share >= 0.5:
        return min(1.0, bonferroni)
    reach = 2.0 * log((1.0 - share) / share)
    square = largest * largest
    continuous = largest * exp(-square / 2.0) / sqrt(2.0 * pi) * (reach - reach / square + 4.0 / square)
    return min(1.0, bonferroni, continuous)


def _narrowest(significant: Sequence[_Found], length: int, min_points: int) -> list[_Found]:
    """Return one step of each place: the narrowest interval's, then those that lie wholly on either side of it."""
    chosen: list[_Found] = []
    pending = [(0, length)]
    while pending:
        first, last = pending.pop()
        inside = [
            found
            for found in significant
            if first <= found.first and found.last <= last and first + min_points <= found.index <= last - min_points
        ]
        if inside:
            best = min(inside, key=lambda found: (found.last - found.first, found.p_value, found.index))
            chosen.append(best)
            pending += [(first, best.index), (best.index, last)]
    chosen.sort(key=lambda found: found.index)
    edges = [0, *(found.index for found in chosen), length]
    return [replace(found, p_value=_least(significant, *edges[n : n + 3])) for n, found in enumerate(chosen)]


def _least(significant: Sequence[_Found], first: int, index: int, last: int) -> float:
    """Return the least chance of the intervals that hold this step and reach no further than its neighbours."""
    own = next(found.p_value for found in significant if found.index == index)
    return min((f.p_value for f in significant if first <= f.first < index < f.last <= last), default=own)


def _confirmed(
    values: Numbers, chosen: Sequence[_Found], error_rate: float, min_points: int, inflation: float
) -> list[Split]:
    """Return the steps that also show between their neighbours, placed there; the least clear one goes first.

    A narrow interval may place a step badly, and the rest of that step then shows once more on one side of it.
    """
    kept = list(chosen)
    while kept:
        placed = _placed(values, kept, min_points, inflation)
        edges = [0, *(split.index for split in placed), len(values)]
        tests = [_tested(values[a:b], min_points, inflation) for a, b in zip(edges, edges[2:], strict=False)]
        chances = [1.0 if test is None else test[1] for test in tests]
        worst = int(np.argmax(chances))
        if chances[worst] <= error_rate:
            return placed
        del kept[worst]
    return []


def _placed(values: Numbers, chosen: Sequence[_Found], min_points: int, inflation: float) -> list[Split]:
    """Return the steps where all points between their neighbours, not the narrow interval alone, put them."""
    placed: list[Split] = []
    edges = [0, *(found.index for found in chosen), len(values)]
    for number, found in enumerate(chosen):
        first, last = edges[number], edges[number + 2]
        index, earliest, latest = _place(values[first:last], min_points, inflation)
        placed.append(Split(first + index, first + earliest, first + latest, found.p_value))
        edges[number + 1] = first + index
    return placed


def _place(values: Numbers, min_points: int, inflation: float) -> tuple[int, int, int]:
    """Return the likeliest first point of the new level, and the bounds of the places that are nearly as likely."""
    length = len(values)
    scores = normal_scores(values)
    before = np.arange(1, length, dtype=np.float64)
    explained = np.square(np.cumsum(scores)[:-1]) * length / (before * (length - before))
    inner = slice(min_points - 1, length - min_points)
    best = min_points + int(np.argmax(explained[inner]))
    left = np.maximum(float(np.square(scores).sum()) - explained, 1e-9)
    ratio = length / inflation * np.log(left / left[best - 1])
    likely = np.flatnonzero(ratio <= _LOCATION) + 1
    return best, int(likely.min()), int(likely.max())
