"""T1 and T4 for thousands of queries at once: the same steps as of one, over arrays with a row per query.

A limit of nan is one that was dropped. The arrays are all the state that there is. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trimtab.anchor.bets import STAKES
from trimtab.anchor.limits import QUANTILES, Direction, Limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Counts = NDArray[np.int64]

_LARGEST = 1e300
_STAKES = np.array(STAKES)
_RATES = 1.0 - np.array(QUANTILES)
# Per quantile and stake: the factors when a limit is passed, and when it is not.
_WON = 1.0 + _STAKES[None, :] * (1.0 - _RATES[:, None]) / _RATES[:, None]
_LOST = 1.0 - _STAKES


def limit_rows(limits: Sequence[Limits]) -> Floats:
    """Return a row of limits per query, in the order of `QUANTILES`; all are of the direction SLOWER."""
    rows = np.full((len(limits), len(QUANTILES)), np.nan)
    for row, each in zip(rows, limits, strict=True):
        if each.direction is not Direction.SLOWER:
            raise ValueError("rows of limits are for values that become larger")
        for limit in each.limits:
            row[QUANTILES.index(limit.quantile)] = limit.value
    return rows


def passed_rows(values: Floats, limits: Floats) -> Flags:
    """Return which limits each query's value is beyond; infinity is a failure. Not for nan, which is no value."""
    return np.asarray(values[:, None] > limits)


def log_e_values(passed: Counts, values: Counts, limits: Floats) -> Floats:
    """Return T1's evidence per query as a logarithm, from the counts of values and of values beyond each limit."""
    logs = passed[:, :, None] * np.log(_WON) + (values[:, None] - passed)[:, :, None] * np.log(_LOST)
    return _log_mean(np.where(np.isnan(limits)[:, :, None], -np.inf, logs), limits)


def _log_mean(logs: Floats, limits: Floats) -> Floats:
    tested = (~np.isnan(limits)).sum(axis=1)
    largest = logs.max(axis=(1, 2), initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    sums = np.exp(logs - shift[:, None, None]).sum(axis=(1, 2))
    means = np.divide(sums, tested * len(STAKES), out=np.ones_like(sums), where=tested > 0)
    return np.asarray(shift + np.log(means))


def onset_start(queries: int) -> Floats:
    """Return T4's evidence before the first look: queries, limits, stakes."""
    return np.zeros((queries, len(QUANTILES), len(STAKES)))


def onset_step(evidence: Floats, values: Floats, limits: Floats) -> Floats:
    """Return T4's evidence after one more look; a query whose value is nan was not seen, and keeps its evidence."""
    seen = ~np.isnan(values)
    won = passed_rows(np.where(seen, values, 0.0), limits)
    factors = np.where(won[:, :, None], _WON, _LOST)
    return np.asarray(np.where(seen[:, None, None], np.minimum((evidence + 1.0) * factors, _LARGEST), evidence))


def onset_values(evidence: Floats, limits: Floats) -> Floats:
    """Return what is compared with the alarm level: the mean over the stakes and the limits that are tested."""
    is_tested = ~np.isnan(limits)
    sums = np.where(is_tested[:, :, None], evidence, 0.0).sum(axis=(1, 2))
    counts = is_tested.sum(axis=1) * len(STAKES)
    return np.asarray(np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0))
