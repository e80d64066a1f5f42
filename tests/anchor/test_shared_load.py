from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.bets import STAKES, log_factor
from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import QUANTILES, Direction, limits_of
from trimtab.anchor.many import RATES, limit_rows, onset_start, onset_step, wealth_log_mean, wealth_start, wealth_step
from trimtab.anchor.shared_load import SLOTS, SharedLoadTest, shared_rates
from trimtab.anchor.verdict import exceedance_verdict

LIMITS = limits_of([float(n) for n in range(1, 701)], error_rate=0.01, margin=0.05)
VALUES = st.lists(st.one_of(st.floats(0.001, 2000), st.none()), max_size=50)


def others_of(queries: int) -> np.ndarray:
    """All other queries as companions of each."""
    return np.array([[other for other in range(queries) if other != number] for number in range(queries)])


@given(st.sampled_from(STAKES), st.floats(0.01, 1))
def test_one_step_is_worth_one_at_the_rate_that_is_bet_against(stake: float, rate: float) -> None:
    won, lost = np.exp(log_factor(stake, rate, True)), np.exp(log_factor(stake, rate, False))
    assert won >= lost >= 0
    assert rate * won + (1 - rate) * lost == pytest.approx(1)


@given(VALUES)
def test_without_load_it_is_the_exceedance_test(values: list[float | None]) -> None:
    plain = reduce(ExceedanceTest.observe, values, ExceedanceTest(LIMITS))
    loaded = reduce(lambda test, value: test.observe(value, RATES.tolist()), values, SharedLoadTest(LIMITS))
    assert loaded.log_e_value == pytest.approx(plain.log_e_value, abs=1e-9)
    assert loaded.log_peak == pytest.approx(plain.log_peak, abs=1e-9)
    assert (loaded.values, loaded.failures) == (plain.values, plain.failures)


@given(VALUES, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_more_load_is_never_more_evidence(values: list[float | None], higher: list[float]) -> None:
    rates = np.maximum(RATES, higher).tolist()
    plain = reduce(ExceedanceTest.observe, values, ExceedanceTest(LIMITS))
    loaded = reduce(lambda test, value: test.observe(value, rates), values, SharedLoadTest(LIMITS))
    assert loaded.log_e_value <= plain.log_e_value + 1e-9


@given(VALUES, st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.sampled_from(Direction))
def test_all_values_at_once_are_the_same_as_one_after_another(
    values: list[float | None], rates: list[float], direction: Direction
) -> None:
    limits = limits_of([float(n) for n in range(1, 101)], error_rate=0.01, margin=0.05, direction=direction)
    single = reduce(lambda test, value: test.observe(value, rates), values, SharedLoadTest(limits))
    found = SharedLoadTest.over(limits, values, rates)
    assert (found.values, found.failures) == (single.values, single.failures)
    assert found.log_wealth == pytest.approx(single.log_wealth, abs=1e-9)
    assert found.log_peak == pytest.approx(single.log_peak, abs=1e-9)


def test_a_value_without_known_load_is_no_evidence_and_is_counted() -> None:
    test = SharedLoadTest(LIMITS).observe(5000.0, [np.nan] * 3)
    assert (test.values, test.skipped) == (0, 1)
    assert test.e_value == pytest.approx(1.0)
    assert exceedance_verdict(test, [1.0]).skipped == 1


def test_the_rates_are_what_the_other_queries_show_with_an_allowance() -> None:
    passed, seen = np.zeros((5, 9, 3), dtype=bool), np.ones((5, 9), dtype=bool)
    everyone = others_of(9)
    quiet = shared_rates(passed, seen, everyone)
    np.testing.assert_allclose(quiet, np.tile(RATES, (9, 1)))
    # One query beyond all its limits moves the rates of the others, and not its own.
    passed[:, 0] = True
    found = shared_rates(passed, seen, everyone)
    assert found[0].tolist() == pytest.approx(RATES.tolist())
    expected = 1 / 8 + 2 * (1 / 8 * 7 / 8 / 40) ** 0.5
    assert found[1].tolist() == pytest.approx([0.5, expected, expected])
    # Unless its plan has changed: then it is no companion.
    changed = np.where(everyone == 0, -1, everyone)
    assert shared_rates(passed, seen, changed)[1].tolist() == pytest.approx(RATES.tolist())
    passed[:] = True
    assert (shared_rates(passed, seen, changed) == 1.0).all()


def test_few_companions_tell_nothing() -> None:
    passed, seen = np.zeros((1, 5, 3), dtype=bool), np.ones((1, 5), dtype=bool)
    assert np.isnan(shared_rates(passed, seen, others_of(5))).all()


@given(st.lists(st.tuples(st.floats(0.001, 2000), st.floats(0.5, 1)), max_size=40))
def test_arrays_do_what_the_single_test_does(looks: list[tuple[float, float]]) -> None:
    rows, wealth, test = limit_rows([LIMITS]), wealth_start(1), SharedLoadTest(LIMITS)
    for value, rate in looks:
        rates = np.maximum(RATES, rate)
        wealth = wealth_step(wealth, np.array([value]), rows, rates[None])
        test = test.observe(value, rates.tolist())
    kept = wealth_step(wealth, np.array([9.0]), rows, np.full((1, len(QUANTILES)), np.nan))
    assert kept.tolist() == wealth.tolist()
    assert wealth_log_mean(wealth, rows)[0] == pytest.approx(test.log_e_value, abs=1e-9)


def test_the_onset_detector_takes_the_same_rates() -> None:
    rows, value = limit_rows([LIMITS]), np.array([2000.0])
    plain = onset_step(onset_start(1), value, rows)
    assert (onset_step(onset_start(1), value, rows, np.full((1, 3), 0.9)) < plain).all()
    unknown = onset_step(onset_start(1), value, rows, np.full((1, 3), np.nan))
    assert unknown.tolist() == onset_start(1).tolist()


def test_load_that_all_share_is_not_told_and_a_query_of_its_own_is() -> None:
    """Twelve queries; from the start all are 1.6 times slower, and one of them 3 times more."""
    rng = np.random.default_rng(8)
    anchor = rng.lognormal(0, 0.4, (12, 700))
    limits = [limits_of(row.tolist(), error_rate=0.01, margin=0.05) for row in anchor]
    rows, wealth, plain = limit_rows(limits), wealth_start(12), [ExceedanceTest(each) for each in limits]
    flags: list[np.ndarray] = []
    peak = np.zeros(12)
    for _ in range(150):
        values = rng.lognormal(0, 0.4, 12) * 1.6
        values[0] *= 3
        flags = [*flags[1 - SLOTS :], values[:, None] > rows]
        rates = shared_rates(np.array(flags), np.ones((len(flags), 12), dtype=bool), others_of(12))
        wealth = wealth_step(wealth, values, rows, rates)
        peak = np.maximum(peak, wealth_log_mean(wealth, rows))
        plain = [test.observe(value) for test, value in zip(plain, values.tolist(), strict=True)]
    needed = np.log(plain[0].needed_e_value)
    assert (peak >= needed).tolist() == [True] + [False] * 11
    assert all(test.is_proven for test in plain)
