"""By how much the likeness of neighbouring points inflates the variance of a mean of them.

It works on differences, so that a level that steps now and then does not pass for autocorrelation. It judges nothing.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_USUAL_SHARE, _CLIP = 0.9, 3.8
"""A difference counts as at most so many times the root mean square of the smaller ones: beyond it are steps. Of a
normal variable that is three standard deviations."""
_HIGHEST_CORRELATION = 0.97
_FEWEST = 16
_MOST, _MOST_OF_VARIANCE = 0.75, 0.369
"""The smaller three quarters of normal squares have this mean, by that of all."""
_BLOCKS = (4, 8, 16, 32, 64)
_FEWEST_BLOCKS = 12


def variance_inflation(values: Numbers) -> float:
    """Return the long-run variance by the variance of one point: 1 for independent points, never less.

    The larger of two estimates: that of an autoregressive process of order 1, whose correlation is read off the
    variances of differences at lags 1 and 2, and that of the differences of neighbouring block means, which also sees
    slow wandering beneath fast noise. The values count by their normal scores, so that heavy tails do not pass for
    wandering. Few points tell too little; then it is 1.
    """
    if len(values) < _FEWEST:
        return 1.0
    values = normal_scores(values)
    near = _variance(np.diff(values))
    if near <= 0.0:
        return 1.0
    far = _variance(values[2:] - values[:-2])
    # Of an AR(1) process the variances of differences are 2v(1 - r) at lag 1 and 2v(1 - r * r) at lag 2.
    correlation = min(max(far / near - 1.0, 0.0), _HIGHEST_CORRELATION)
    found = (1.0 + correlation) / (1.0 - correlation)
    point = near / (2.0 * (1.0 - correlation))
    for length in _BLOCKS:
        count = len(values) // length
        if count < _FEWEST_BLOCKS:
            break
        means = values[: count * length].reshape(count, length).mean(axis=1)
        # Half the variance of a difference is that of a block's mean; less its own error, which inflates by chance.
        estimate = _variance_of_most(np.diff(means)) / 2.0 * length / point
        found = max(found, estimate * (1.0 - sqrt(1.5 / count)))
    return found


def normal_scores(values: Numbers) -> Numbers:
    """Return the normal scores of the mean ranks, centred: a spike counts as the largest value, however large it is."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    # Twice the mean rank of each distinct value is a whole number, which the table is indexed by.
    doubled = 2 * np.cumsum(counts) - counts + 1
    scores = _table(len(values))[doubled[inverse]]
    centred: Numbers = scores - scores.mean()
    return centred


@lru_cache(maxsize=256)
def _table(length: int) -> Numbers:
    normal = NormalDist()
    quantiles = [normal.inv_cdf(doubled / 2.0 / (length + 1)) for doubled in range(1, 2 * length + 1)]
    return np.array([0.0, *quantiles])


def _variance_of_most(differences: Numbers) -> float:
    """Return the variance of normal differences by the smaller of them: with few blocks each step is a good part."""
    squares = np.sort(np.square(differences))
    return float(squares[: int(len(squares) * _MOST)].mean()) / _MOST_OF_VARIANCE


def _variance(differences: Numbers) -> float:
    """Return the mean square of differences, with far ones drawn in."""
    squares = np.sort(np.square(differences))
    usual = float(squares[: max(1, int(len(squares) * _USUAL_SHARE))].mean())
    return float(np.minimum(squares, _CLIP * _CLIP * usual).mean()) if usual > 0.0 else float(squares.mean())
