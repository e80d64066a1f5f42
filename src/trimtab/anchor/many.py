"""T1 and T4 for thousands of queries at once: the same steps as of one, over arrays with a row per query.

A limit of nan is one that was dropped. The arrays are all the state that there is. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trimtab.anchor.bets import JOINT, LOG_WEIGHTS, STAKES, category_logs, joint_stakes
from trimtab.anchor.limits import QUANTILES, Direction, Limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Counts = NDArray[np.int64]

_LARGEST = 1e300
_STAKES = np.array(STAKES)
RATES = 1.0 - np.array(QUANTILES)
_LOG_LOST = np.log1p(-_STAKES)


def _log_won(rates: Floats) -> Floats:
    """What a stake's wealth is multiplied by when a limit is passed, which may be at these rates, as a logarithm."""
    return np.asarray(np.log1p(_STAKES * ((1.0 - rates) / rates)[..., None]))


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
    counts = [values]
    for number in range(len(QUANTILES)):
        counts.append(np.where(np.isnan(limits[:, number]), counts[-1], passed[:, number]))
    counts.append(np.zeros_like(values))
    # What a value is worth by how many limits it passed: queries, bets, categories.
    logs = np.array([[category_logs(stakes) for stakes in joint_stakes(row)] for row in _tested(limits)])
    each = -np.diff(np.array(counts), axis=0).T
    return wealth_log_mean((logs * each[:, None, :]).sum(axis=2), limits)


def wealth_start(queries: int) -> Floats:
    """Return the logarithm of T1's wealth before the first value, for rates that move: queries, bets."""
    return np.zeros((queries, len(JOINT)))


def wealth_step(log_wealth: Floats, values: Floats, limits: Floats, rates: Floats) -> Floats:
    """Return it after one more value of each query; where the value or its rates are nan, it stays as it is."""
    seen = ~np.isnan(values) & ~np.isnan(rates).any(axis=1)
    won = passed_rows(np.where(seen, values, 0.0), limits)
    gained = won / np.where(seen[:, None], rates, 1.0) - 1.0
    steps = np.log1p((_stakes(limits) * gained[:, None, :]).sum(axis=2))
    return np.asarray(log_wealth + np.where(seen[:, None], steps, 0.0))


def wealth_log_mean(log_wealth: Floats, limits: Floats) -> Floats:
    """Return T1's evidence per query as a logarithm: the weighted mean over the bets; 0 where nothing is tested."""
    logs = log_wealth + np.array(LOG_WEIGHTS)
    largest = logs.max(axis=1)
    means = largest + np.log(np.exp(logs - largest[:, None]).sum(axis=1))
    return np.where(np.isnan(limits).all(axis=1), 0.0, means)


def _stakes(limits: Floats) -> Floats:
    """T1's stakes per query: queries, bets, limits."""
    return np.array([joint_stakes(row) for row in _tested(limits)])


def _tested(limits: Floats) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in (~np.isnan(limits)).tolist()]


def onset_start(queries: int) -> Floats:
    """Return T4's evidence before the first look: queries, limits, stakes."""
    return np.zeros((queries, len(QUANTILES), len(STAKES)))


def onset_step(evidence: Floats, values: Floats, limits: Floats, rates: Floats = RATES) -> Floats:
    """Return T4's evidence after one more look; `rates` by query and limit are those of `shared_rates`, where known.

    A query whose value is nan was not seen, and keeps its evidence; so does one whose rates are nan.
    """
    seen = ~np.isnan(values) & ~np.isnan(rates).any(axis=-1)
    won = passed_rows(np.where(seen, values, 0.0), limits)
    factors = np.exp(np.where(won[:, :, None], _log_won(np.where(np.isnan(rates), 1.0, rates)), _LOG_LOST))
    return np.asarray(np.where(seen[:, None, None], np.minimum((evidence + 1.0) * factors, _LARGEST), evidence))


def onset_values(evidence: Floats, limits: Floats) -> Floats:
    """Return what is compared with the alarm level: the mean over the stakes and the limits that are tested."""
    is_tested = ~np.isnan(limits)
    sums = np.where(is_tested[:, :, None], evidence, 0.0).sum(axis=(1, 2))
    counts = is_tested.sum(axis=1) * len(STAKES)
    return np.asarray(np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0))
