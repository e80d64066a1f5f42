"""The rules that are compared, each over whole streams: at which execution it first alarms, 0 for never.

T1 is the product's own code, by arrays. The usual rules look at all values since the start, again every 30 executions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.anchors.streams import ANCHOR
from trimtab.anchor.common_mode import common_mode, excused, log_excess, nearest_companions
from trimtab.anchor.limits import Limits, limits_of
from trimtab.anchor.many import (
    limit_rows,
    log_e_values,
    onset_start,
    onset_step,
    onset_values,
    passed_rows,
    wealth_log_mean,
    wealth_start,
    wealth_step,
)
from trimtab.anchor.shared_load import SLOTS, shared_rates

Floats = NDArray[np.float64]
Firsts = NDArray[np.int64]

ALPHA = 0.01
MARGIN = 0.05
# Of real executions: less than a clock step and a process switch is no difference.
LEAST_MS = 0.02
LOOK_EVERY = 30
_WELCH_95 = 1.959964
_SIGMAS = 3.0


def exceedance(streams: Floats, margin: float = MARGIN, least_ms: float = 0.0, *, alpha: float = ALPHA) -> Firsts:
    """T1 on each stream by itself."""
    rows = limit_rows(_limits(streams, margin, least_ms, alpha))
    passed = np.zeros(rows.shape, dtype=np.int64)
    firsts = np.zeros(len(streams), dtype=np.int64)
    for number, values in enumerate(streams[:, ANCHOR:].T, 1):
        passed += passed_rows(values, rows)
        evidence = log_e_values(passed, np.full(len(streams), number), rows)
        firsts = np.where((firsts == 0) & (evidence >= np.log(2 / alpha)), number, firsts)
        if firsts.all():
            break
    return firsts


def without_shared_load(session: Floats) -> Floats:
    """Return a session's values, divided by what queries of about their length show in the same round."""
    typical = np.median(session[:, :ANCHOR], axis=1)
    companions = nearest_companions(typical, np.ones(len(session), dtype=bool))
    ones = np.ones(len(session))
    factors = [np.exp(excused(common_mode(log_excess(ones, values, typical), companions))) for values in session.T]
    return np.asarray(session / np.array(factors).T)


def under_shared_load(
    session: Floats,
    margin: float = MARGIN,
    least_ms: float = 0.0,
    *,
    slower: float = 1.0,
    factors: Floats | None = None,
    anchor: int = ANCHOR,
    alpha: float = ALPHA,
) -> Firsts:
    """T1 on the queries of one session, whose load is removed and whose rates are those of the other queries.

    `factors` are values from which the load is removed already, as those of T3. With `slower` each query in turn is
    that much slower from the first watched value on, while its companions are not.
    """
    relieved = without_shared_load(session) if factors is None else factors
    companions = nearest_companions(np.median(session[:, :anchor], axis=1), np.ones(len(session), dtype=bool))
    rows = limit_rows(_limits(relieved, margin, least_ms, alpha, anchor))
    watched = relieved[:, anchor:]
    passed = watched.T[:, :, None] > rows
    wealth, firsts = wealth_start(len(session)), np.zeros(len(session), dtype=np.int64)
    for number in range(watched.shape[1]):
        slots = passed[max(0, number + 1 - SLOTS) : number + 1]
        rates = shared_rates(slots, np.ones(slots.shape[:2], dtype=bool), companions)
        wealth = wealth_step(wealth, watched[:, number] * slower, rows, rates)
        evidence = wealth_log_mean(wealth, rows)
        firsts = np.where((firsts == 0) & (evidence >= np.log(2 / alpha)), number + 1, firsts)
        if firsts.all():
            break
    return firsts


def onset(streams: Floats, level: float, margin: float = MARGIN, *, alpha: float = ALPHA) -> Firsts:
    """T4 on each stream by itself, from the first watched value on."""
    rows = limit_rows(_limits(streams, margin, 0.0, alpha))
    evidence, firsts = onset_start(len(streams)), np.zeros(len(streams), dtype=np.int64)
    for number, values in enumerate(streams[:, ANCHOR:].T, 1):
        evidence = onset_step(evidence, values, rows)
        firsts = np.where((firsts == 0) & (onset_values(evidence, rows) >= level), number, firsts)
        if firsts.all():
            break
    return firsts


def welch(streams: Floats) -> Firsts:
    """The usual test at 95 %, two-sided, repeated; only "slower" counts as an alarm."""
    return _by_standard_errors(streams, _WELCH_95)


def three_sigma(streams: Floats) -> Firsts:
    """The mean since the start is three standard errors above the anchor's."""
    return _by_standard_errors(streams, _SIGMAS)


def _by_standard_errors(streams: Floats, sigmas: float) -> Firsts:
    anchor, watched = streams[:, :ANCHOR], streams[:, ANCHOR:]
    counts = np.arange(1, watched.shape[1] + 1)
    means = np.cumsum(watched, axis=1) / counts
    variances = np.maximum(np.cumsum(watched**2, axis=1) / counts - means**2, 0.0)
    errors = np.sqrt(variances / np.maximum(counts - 1, 1) + anchor.var(axis=1, ddof=1, keepdims=True) / ANCHOR)
    is_alarm = (means - anchor.mean(axis=1, keepdims=True) > sigmas * errors) & (counts % LOOK_EVERY == 0)
    return np.where(is_alarm.any(axis=1), is_alarm.argmax(axis=1) + 1, 0)


def _limits(streams: Floats, margin: float, least_ms: float, alpha: float, anchor: int = ANCHOR) -> list[Limits]:
    return [
        limits_of(row[:anchor].tolist(), error_rate=alpha, margin=margin, least_difference=least_ms) for row in streams
    ]
