"""The relation between the planner's cost and measured time in one lab, and how far single queries stray from it.

A robust line on logarithms: ms = exp(intercept) * cost ** exponent. The residuals are those of queries that the line
did not see, so intervals made of them cover queries to come. It predicts nothing by itself.

Sources: Theil (1950) and Sen (1968) for the line; cross-conformal residuals, Vovk (2015) and Barber et al. (2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, log
from statistics import median

MIN_SAMPLES = 5
# With fewer queries than that the line has nothing to say: a factor of two is common, a factor of four is not rare.
PRIOR_RESIDUALS = (-log(4.0), -log(2.0), 0.0, log(2.0), log(4.0))
# Below a factor of e between the cheapest and the dearest query there is no slope to be seen.
_MIN_LOG_SPREAD = 1.0
_EXPONENT_RANGE = (0.3, 1.5)
_FOLDS = 20
# The slope of very many queries is known well enough from these, taken evenly over the costs.
_MAX_SLOPE_POINTS = 120
_LEAST_MS = 0.001
# EXPLAIN tells costs with two decimals.
LEAST_COST = 0.01


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted line and its residuals: log(measured / fitted) of queries that were held out. `samples` is their number.

    `is_prior` tells that there were too few queries, and the residuals are an assumption.
    """

    intercept: float
    exponent: float
    residuals: tuple[float, ...]
    samples: int

    @property
    def is_prior(self) -> bool:
        """True when the residuals were assumed, not measured."""
        return self.samples < MIN_SAMPLES

    def ms(self, cost: float) -> float:
        """Return the time in ms that a plan of this cost typically takes."""
        return exp(self.intercept + self.exponent * log(max(cost, LEAST_COST)))

    @property
    def errors(self) -> tuple[float, ...]:
        """The residuals as they are to be resampled: stretched where they are few.

        The largest of n held-out errors is exceeded once in n + 1 times, so a few of them understate the tails.
        """
        if self.is_prior:
            return self.residuals
        stretch = 1.0 + 2.0 / (len(self.residuals) - 2)
        return tuple(residual * stretch for residual in self.residuals)

    def level(self, confidence: float) -> float:
        """Return the nominal coverage to ask of resampled residuals, so that `confidence` is reached with few of them.

        The conformal correction: (n + 1) / n of it, at most 1.
        """
        count = len(self.residuals)
        return min(confidence * (count + 1) / count, 1.0)


def fit_calibration(points: Iterable[tuple[float, float]]) -> Calibration:
    """Return the calibration of (cost, ms) pairs, one per query. Pairs without a positive cost are left out."""
    logs = sorted((log(max(cost, LEAST_COST)), log(max(ms, _LEAST_MS))) for cost, ms in points if cost > 0)
    if not logs:
        return Calibration(0.0, 1.0, PRIOR_RESIDUALS, 0)
    intercept, exponent = _line(logs)
    if len(logs) < MIN_SAMPLES:
        return Calibration(intercept, exponent, PRIOR_RESIDUALS, len(logs))
    return Calibration(intercept, exponent, tuple(sorted(_held_out(logs))), len(logs))


def _line(logs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return intercept and slope; slope 1 (time is proportional to cost) where none can be seen."""
    exponent = 1.0
    if len(logs) >= MIN_SAMPLES and logs[-1][0] - logs[0][0] >= _MIN_LOG_SPREAD:
        step = max(len(logs) // _MAX_SLOPE_POINTS, 1)
        slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(logs[::step], 2) if b[0] > a[0]]
        low, high = _EXPONENT_RANGE
        exponent = min(max(median(slopes), low), high)
    return median(y - exponent * x for x, y in logs), exponent


def _held_out(logs: Sequence[tuple[float, float]]) -> list[float]:
    """Return the residual of each point from the line of the other folds; few points are folds of one."""
    folds = min(len(logs), _FOLDS)
    residuals = []
    for fold in range(folds):
        intercept, exponent = _line([point for number, point in enumerate(logs) if number % folds != fold])
        residuals += [y - intercept - exponent * x for x, y in logs[fold::folds]]
    return residuals
