from __future__ import annotations

import json
from dataclasses import asdict
from functools import reduce
from math import exp, inf, isclose, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.bets import (
    JOINT,
    LOG_WEIGHTS,
    STAKES,
    factor,
    is_tested,
    joint_stakes,
    log_joint_factor,
    log_mean_wealth,
    log_wealth,
)
from trimtab.anchor.binomial import binomial_quantile
from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import QUANTILES, Direction, limits_of

MILLISECONDS = st.floats(0.001, 1e6)
ANCHOR = [float(n) for n in range(1, 701)]
STREAMS, EXECUTIONS = 1500, 600


def fresh(*, margin: float = 0.0, direction: Direction = Direction.SLOWER) -> ExceedanceTest:
    return ExceedanceTest(limits_of(ANCHOR, error_rate=0.01, margin=margin, direction=direction))


@given(st.sampled_from(STAKES), st.sampled_from(QUANTILES), st.floats(0, 1))
def test_one_step_is_never_negative_and_worth_at_most_one_under_the_null(
    stake: float, quantile: float, share: float
) -> None:
    won, lost = factor(stake, quantile, True), factor(stake, quantile, False)
    assert won >= 1.0 >= lost >= 0.0
    rate = share * (1.0 - quantile)
    assert rate * won + (1.0 - rate) * lost <= 1.0 + 1e-12
    at_most = 1.0 - quantile
    assert isclose(at_most * won + (1.0 - at_most) * lost, 1.0)


TESTED = st.tuples(*(st.booleans() for _ in QUANTILES))


@given(TESTED, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_joint_bets_are_never_negative_worth_at_most_one_and_on_tested_limits_alone(
    tested: tuple[bool, ...], shares: list[float]
) -> None:
    at_most = [1.0 - quantile for quantile in QUANTILES]
    # Probabilities of being beyond each limit that are allowed, and fall from one limit to the next.
    rates = np.minimum.accumulate([share * rate for share, rate in zip(shares, at_most, strict=True)])
    categories = -np.diff([1.0, *rates, 0.0])
    for stakes in joint_stakes(tested):
        assert all(stake == 0.0 for stake, is_one in zip(stakes, tested, strict=True) if not is_one)
        assert 0.0 <= sum(stakes) < 1.0
        factors = [exp(log_joint_factor(stakes, at_most, [n < number for n in range(3)])) for number in range(4)]
        assert float(categories @ factors) <= 1.0 + 1e-12


@given(st.lists(st.integers(0, 3), max_size=200))
def test_the_evidence_is_at_most_its_own_expectation_from_any_past(past: list[int]) -> None:
    """A supermartingale: from any counts, the mean of the next evidence over a null's categories is the evidence."""
    passed = [sum(level > rank for level in past) for rank in range(3)]
    now = exp(log_mean_wealth(QUANTILES, passed, len(past)))
    # Between the limits the null has exactly these shares, from below the median to beyond the last percent.
    shares = (0.5, 0.4, 0.09, 0.01)
    mean = sum(
        share * exp(log_mean_wealth(QUANTILES, [passed[r] + (level > r) for r in range(3)], len(past) + 1))
        for level, share in enumerate(shares)
    )
    assert isclose(mean, now, rel_tol=1e-9)


@given(st.lists(st.one_of(MILLISECONDS, st.none()), max_size=60))
def test_counts_are_the_whole_state(values: list[float | None]) -> None:
    test = reduce(ExceedanceTest.observe, values, fresh())
    rates = [1.0 - quantile for quantile in QUANTILES]
    beyond = [[(inf if v is None else v) > limit.value for limit in test.limits.limits] for v in values]
    products = [
        weight * exp(sum(log_joint_factor(stakes, rates, flags) for flags in beyond)) for stakes, weight in JOINT
    ]
    assert isclose(test.e_value, sum(products) / sum(weight for _, weight in JOINT), rel_tol=1e-9)
    assert test.failures == values.count(None)
    assert ExceedanceTest(test.limits, test.values, test.failures, test.passed, test.log_peak) == test
    assert json.loads(json.dumps(asdict(test)))["passed"] == [*test.passed]


@given(st.lists(MILLISECONDS, max_size=40), st.floats(1, 100))
def test_slower_values_are_never_less_evidence(values: list[float], times: float) -> None:
    plain = reduce(ExceedanceTest.observe, values, fresh())
    slowed = reduce(ExceedanceTest.observe, [value * times for value in values], fresh())
    # More of them beyond any limit, after the same number.
    assert all(a <= b for a, b in zip(plain.passed, slowed.passed, strict=True))
    assert slowed.log_e_value >= plain.log_e_value - 1e-12


@given(st.lists(MILLISECONDS, max_size=40))
def test_a_failure_counts_like_the_slowest_execution(values: list[float]) -> None:
    before = reduce(ExceedanceTest.observe, values, fresh())
    assert before.observe(None).passed == before.observe(1e9).passed == before.observe(inf).passed
    assert before.observe(None).failures == before.failures + 1
    swapped = reduce(ExceedanceTest.observe, values, fresh(direction=Direction.FASTER))
    assert swapped.observe(None).e_value < swapped.e_value or swapped.e_value == 0.0


def test_errors_alone_prove_a_regression_and_never_a_gain() -> None:
    failing = reduce(ExceedanceTest.observe, [None] * 5, fresh(margin=0.05))
    assert failing.is_proven
    assert not reduce(ExceedanceTest.observe, [None] * 500, fresh(direction=Direction.FASTER)).is_proven


def test_ten_times_slower_is_proven_at_once_and_roles_swapped_prove_the_way_back() -> None:
    slow = reduce(ExceedanceTest.observe, [5000.0] * 4, fresh(margin=0.05))
    assert slow.is_proven
    assert slow.peak >= slow.needed_e_value == 200.0
    fast = reduce(ExceedanceTest.observe, [0.5] * 4, fresh(margin=0.05, direction=Direction.FASTER))
    assert fast.is_proven
    assert not reduce(ExceedanceTest.observe, [0.5] * 4, fresh()).is_proven
    assert not reduce(ExceedanceTest.observe, [5000.0] * 4, fresh(direction=Direction.FASTER)).is_proven


def test_what_was_proven_stays_proven() -> None:
    test = reduce(ExceedanceTest.observe, [5000.0] * 10 + [1.0] * 3000, fresh())
    assert test.is_proven
    assert test.e_value < 1 < test.peak


def test_without_any_limit_nothing_is_ever_shown() -> None:
    test = ExceedanceTest(limits_of([1.0] * 9, error_rate=0.01, margin=0.0))
    assert not test.is_testable
    after = reduce(ExceedanceTest.observe, [1e9] * 1000, test)
    assert not after.is_proven
    assert after.e_value == 1.0


@pytest.mark.parametrize("noise", ["lognormal", "pareto", "cauchy", "ties"])
def test_an_unchanged_stream_alarms_no_more_often_than_stated(noise: str) -> None:
    rng = np.random.default_rng(17)
    shape = (STREAMS, 700 + EXECUTIONS)
    if noise == "lognormal":
        drawn = rng.lognormal(0, 0.6, shape)
    elif noise == "pareto":
        drawn = 1 + rng.pareto(0.8, shape)
    elif noise == "cauchy":
        drawn = np.abs(rng.standard_cauchy(shape))
    else:
        drawn = rng.integers(1, 4, shape).astype(float)
    alpha = 0.05
    alarms = 0
    for row in drawn:
        limits = limits_of(row[:700].tolist(), error_rate=alpha, margin=0.0)
        beyond = {limit.quantile: np.cumsum(row[700:] > limit.value) for limit in limits.limits}
        steps = np.arange(1, EXECUTIONS + 1)
        counts = [beyond.get(quantile, np.zeros(EXECUTIONS, dtype=int)) for quantile in QUANTILES]
        logs = [
            log_wealth(stakes, counts, steps) + weight  # type: ignore[arg-type]
            for stakes, weight in zip(joint_stakes(is_tested(beyond)), LOG_WEIGHTS, strict=True)
        ]
        alarms += bool(np.logaddexp.reduce(np.array(logs), axis=0).max() >= log(2 / alpha))
    assert alarms <= binomial_quantile(0.999, STREAMS, alpha)
