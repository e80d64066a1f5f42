"""Claims about levels, slopes and shifts: the intervals hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.anchor.streams import noise
from trimtab.anchor.autocorrelation import variance_inflation
from trimtab.anchor.trend import median_interval, rank_correlation, shift_interval, slope_interval

SEEDS = 300
CONFIDENCE = 0.95
# 95 % of 300 less four standard deviations of a binomial.
FEWEST_HELD = 270


@pytest.mark.parametrize("kind", ["normal", "cauchy", "autocorrelated"])
def test_the_slopes_interval_holds_the_slope(kind: str) -> None:
    times, held = np.arange(150) / 24.0, 0
    for seed in range(SEEDS):
        found = noise(kind, 150, np.random.default_rng(seed))
        sloped = slope_interval(
            times, found + 0.5 * times, [0, 150], confidence=CONFIDENCE, inflation=variance_inflation(found)
        )
        assert sloped is not None
        held += sloped[1] <= 0.5 <= sloped[2]
    assert held >= FEWEST_HELD


@pytest.mark.parametrize("kind", ["normal", "cauchy", "autocorrelated"])
def test_the_medians_interval_holds_the_median(kind: str) -> None:
    held = 0
    for seed in range(SEEDS):
        values = noise(kind, 150, np.random.default_rng(seed))
        _, low, high = median_interval(values, confidence=CONFIDENCE, inflation=variance_inflation(values))
        held += low <= 0.0 <= high
    assert held >= FEWEST_HELD


def test_the_shifts_interval_holds_the_shift() -> None:
    held = 0
    for seed in range(SEEDS):
        values = np.random.default_rng(seed).normal(size=100)
        _, low, high = shift_interval(values[:40], values[40:] + 2.0, confidence=CONFIDENCE)
        held += low <= 2.0 <= high
    assert held >= FEWEST_HELD


def test_a_step_is_no_slope_where_it_is_an_edge() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=80), rng.normal(10, 1, 80)])
    times = np.arange(160.0)
    within = slope_interval(times, values, [0, 80, 160], confidence=CONFIDENCE)
    across = slope_interval(times, values, [0, 160], confidence=CONFIDENCE)
    assert within is not None
    assert across is not None
    assert within[1] <= 0.0 <= within[2]
    assert across[1] > 0.0


@given(st.floats(-10, 10), st.floats(-100, 100), st.integers(10, 80))
def test_the_slope_of_a_line_is_its_own(slope: float, start: float, count: int) -> None:
    times = np.arange(count, dtype=np.float64)
    sloped = slope_interval(times, start + slope * times, [0, count], confidence=CONFIDENCE)
    assert sloped is not None
    assert sloped == pytest.approx((slope, slope, slope), abs=1e-9)


def test_few_points_have_no_slope() -> None:
    assert slope_interval(np.arange(3.0), np.arange(3.0), [0, 3], confidence=CONFIDENCE) is None
    assert slope_interval(np.zeros(30), np.arange(30.0), [0, 30], confidence=CONFIDENCE) is None


def test_thousands_of_points_are_paired_as_medians_and_say_the_same() -> None:
    times = np.arange(30_000) / 24.0
    values = 0.01 * times + np.random.default_rng(2).normal(size=30_000)
    sloped = slope_interval(times, values, [0, 10_000, 30_000], confidence=CONFIDENCE)
    assert sloped is not None
    assert sloped[1] <= 0.01 <= sloped[2]
    assert sloped[2] - sloped[1] < 0.002


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_median_lies_within_its_interval(values: list[float]) -> None:
    middle, low, high = median_interval(np.array(values), confidence=CONFIDENCE)
    assert low <= middle <= high


def test_rank_correlation_sees_any_rise_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(4)
    left = rng.normal(size=200)
    rho, p_value = rank_correlation(left, np.exp(3 * left))
    assert rho == pytest.approx(1.0)
    assert p_value < 1e-6
    chances = [rank_correlation(rng.normal(size=50), rng.normal(size=50))[1] for _ in range(400)]
    assert sum(p <= 0.05 for p in chances) <= 38
    assert rank_correlation(left, np.ones(200)) == (0.0, 1.0)
