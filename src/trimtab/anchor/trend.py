"""The level, the drift and the size of a step: medians with confidence intervals that need no law of the values.

Each interval is widened by the variance inflation of autocorrelated points. Nothing is sought here and nothing judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import floor, sqrt
from statistics import NormalDist

import numpy as np

from trimtab.anchor.autocorrelation import Numbers

_MOST_PAIRED = 600
"""More points than that are paired as medians of neighbours: the pairs grow with their square."""
_MOST_COMPARED = 300


def median_interval(values: Numbers, *, confidence: float, inflation: float = 1.0) -> tuple[float, float, float]:
    """Return the median and the order statistics that enclose the true one (the sign test's interval).

    With too few points for the confidence these are the least and the largest value.
    """
    ordered = np.sort(values)
    half = _normal(confidence) * sqrt(len(ordered) * inflation) / 2.0
    low = max(0, floor(len(ordered) / 2.0 - half) - 1)
    return float(np.median(ordered)), float(ordered[low]), float(ordered[len(ordered) - 1 - low])


def slope_interval(
    times: Numbers, values: Numbers, edges: Sequence[int], *, confidence: float, inflation: float = 1.0
) -> tuple[float, float, float] | None:
    """Return the Theil-Sen slope within segments, value per unit of time, with Sen's interval. None: too few points.

    `edges` are the segments' first indexes and the end. Only pairs inside of a segment count, so that a step is no
    drift (Sen, JASA 1968; over groups as in Hirsch, Slack, Smith, Water Resources Research 1982).
    """
    block = -(-len(values) // _MOST_PAIRED)
    slopes, variance = [], 0.0
    for first, last in pairwise(edges):
        t, v = _thinned(times[first:last], block), _thinned(values[first:last], block)
        left, right = np.triu_indices(len(t), k=1)
        apart = t[right] - t[left]
        is_apart = apart > 0
        slopes.append((v[right] - v[left])[is_apart] / apart[is_apart])
        variance += len(t) * (len(t) - 1) * (2 * len(t) + 5) / 18.0
    pairs = np.sort(np.concatenate(slopes)) if slopes else np.empty(0)
    # Medians of a block are less alike than its points: the points' inflation is on the safe side for them.
    half = _normal(confidence) * sqrt(variance * inflation)
    low = floor((len(pairs) - half) / 2.0) - 1
    if low < 0:
        return None
    return float(np.median(pairs)), float(pairs[low]), float(pairs[len(pairs) - 1 - low])


def shift_interval(
    before: Numbers, after: Numbers, *, confidence: float, inflation: float = 1.0
) -> tuple[float, float, float]:
    """Return the median difference, after less before, with the interval of Hodges and Lehmann (1963).

    Of long segments the points that are nearest to the step count.
    """
    old, new = before[-_MOST_COMPARED:], after[:_MOST_COMPARED]
    differences = np.sort(np.subtract.outer(new, old).ravel())
    variance = len(old) * len(new) * (len(old) + len(new) + 1) / 12.0
    half = _normal(confidence) * sqrt(variance * inflation)
    low = max(0, floor(len(differences) / 2.0 - half) - 1)
    return float(np.median(differences)), float(differences[low]), float(differences[len(differences) - 1 - low])


def rank_correlation(left: Numbers, right: Numbers, *, inflation: float = 1.0) -> tuple[float, float]:
    """Return Spearman's rho of paired values, and the chance of one as far from 0, over n / `inflation` points."""
    rho = float(np.corrcoef(_ranks(left), _ranks(right))[0, 1]) if np.ptp(left) > 0 and np.ptp(right) > 0 else 0.0
    effective = len(left) / inflation
    if effective <= 4.0:
        return rho, 1.0
    # Fisher's transform; 1.06 is the variance of Spearman's (Fieller, Hartley, Pearson, Biometrika 1957).
    distance = float(np.arctanh(min(abs(rho), 1.0 - 1e-12))) * sqrt((effective - 3.0) / 1.06)
    return rho, 2.0 * NormalDist().cdf(-distance)


def _ranks(values: Numbers) -> Numbers:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Numbers = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return ranks


def _thinned(values: Numbers, block: int) -> Numbers:
    if block == 1:
        return values
    starts = range(0, len(values), block)
    return np.array([float(np.median(values[start : start + block])) for start in starts])


def _normal(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)
