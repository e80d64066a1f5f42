from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.predict.calibration import MIN_SAMPLES, PRIOR_RESIDUALS, fit_calibration


def points(count: int, *, exponent: float = 0.9, noise: float = 0.0, seed: int = 1) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    costs = np.exp(rng.uniform(2, 12, count))
    return [(float(c), float(0.01 * c**exponent * exp(rng.normal(0, noise)))) for c in costs]


def test_an_exact_power_law_is_found() -> None:
    fitted = fit_calibration(points(30))
    assert fitted.exponent == pytest.approx(0.9)
    assert fitted.ms(1000.0) == pytest.approx(0.01 * 1000**0.9)
    assert max(abs(residual) for residual in fitted.residuals) < 1e-9


def test_a_third_of_outliers_does_not_move_the_line_far() -> None:
    sample = points(60, noise=0.1)
    sample[::4] = [(cost, ms * 1000) for cost, ms in sample[::4]]
    assert fit_calibration(sample).exponent == pytest.approx(0.9, abs=0.15)


def test_too_few_queries_give_an_assumption_and_say_so() -> None:
    fitted = fit_calibration(points(MIN_SAMPLES - 1))
    assert fitted.is_prior
    assert fitted.residuals == PRIOR_RESIDUALS
    assert fitted.exponent == 1.0
    assert fit_calibration([]).is_prior


def test_queries_of_equal_cost_show_no_slope() -> None:
    assert fit_calibration([(100.0, float(ms)) for ms in range(1, 9)]).exponent == 1.0


def test_residuals_are_of_queries_that_the_line_did_not_see() -> None:
    sample = [*points(11), (exp(7.0), 0.01 * exp(6.3) * 5)]
    assert max(fit_calibration(sample).residuals) == pytest.approx(log(5.0), abs=0.3)


def test_hundreds_of_queries_are_all_held_out_once() -> None:
    fitted = fit_calibration(points(300, noise=0.3))
    assert len(fitted.residuals) == fitted.samples == 300


@given(st.lists(st.tuples(st.floats(0, 1e12), st.floats(0, 1e9)), max_size=40))
def test_every_sample_gives_a_usable_calibration(sample: list[tuple[float, float]]) -> None:
    fitted = fit_calibration(sample)
    assert 0 < fitted.ms(100.0) < float("inf")
    assert 0.9 <= fitted.level(0.9) <= 1.0
