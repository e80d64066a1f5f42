"""Claims about change points: none where nothing changed, at the stated rate; those that there are, where they are."""

from __future__ import annotations

from math import comb, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anchor.streams import NOISES, noise
from trimtab.anchor.autocorrelation import normal_scores, variance_inflation
from trimtab.anchor.change_points import splits, within_magnitude

RATE = 0.01
SEEDS = 200


def binomial_upper(trials: int, rate: float, chance: float = 0.001) -> int:
    """The largest count that so many trials at the rate exceed with no more than the chance."""
    total = 0.0
    for count in range(trials + 1):
        total += comb(trials, count) * rate**count * (1 - rate) ** (trials - count)
        if 1 - total <= chance:
            return count
    return trials


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("length", [40, 250])
def test_noise_has_change_points_no_more_often_than_stated(kind: str, length: int) -> None:
    alarms = 0
    for seed in range(SEEDS):
        values = noise(kind, length, np.random.default_rng(seed))
        alarms += bool(splits(values, error_rate=RATE, min_points=8, inflation=variance_inflation(values)))
    assert alarms <= binomial_upper(SEEDS, RATE)


def test_autocorrelation_that_is_not_allowed_for_does_raise_alarms() -> None:
    """The check above can fail: without the inflation it would."""
    found = [
        splits(noise("autocorrelated", 250, np.random.default_rng(s)), error_rate=RATE, min_points=8) for s in range(50)
    ]
    assert sum(map(bool, found)) > binomial_upper(50, RATE)


# Where chance has a part, a draw of a million may fail: the same ones are drawn each time.
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 400), st.floats(-1e9, 1e9))
def test_a_constant_has_none(length: int, value: float) -> None:
    assert splits(np.full(length, value), error_rate=0.5, min_points=2) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(120, 400),
    place=st.floats(0.2, 0.8),
    height=st.floats(3.0, 6.0),
    is_up=st.booleans(),
)
def test_a_planted_step_is_found_where_it_is(seed: int, length: int, place: float, height: float, is_up: bool) -> None:
    at = int(place * length)
    values = np.random.default_rng(seed).normal(size=length)
    values[at:] += height if is_up else -height
    found = splits(values, error_rate=RATE, min_points=8, inflation=variance_inflation(values))
    assert found
    nearest = min(found, key=lambda split: abs(split.index - at))
    # The error of the place is of the order of the variance by the square of the height.
    assert abs(nearest.index - at) <= max(2, 60 / height**2)
    assert nearest.p_value <= RATE


def test_the_bounds_of_the_place_hold_it_about_as_often_as_they_say() -> None:
    held, found_at_all = 0, 0
    for seed in range(SEEDS):
        values = np.random.default_rng(seed).normal(size=200)
        values[90:] += 1.5
        found = splits(values, error_rate=RATE, min_points=8)
        found_at_all += len(found) == 1
        held += len(found) == 1 and found[0].earliest <= 90 <= found[0].latest
    assert found_at_all >= 0.95 * SEEDS
    assert held >= 0.9 * found_at_all


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), at=st.integers(20, 270), width=st.integers(1, 3), height=st.floats(3, 1e6))
def test_a_spike_shorter_than_a_level_is_no_change_point(seed: int, at: int, width: int, height: float) -> None:
    values = np.random.default_rng(seed).normal(size=300)
    without = splits(values, error_rate=RATE, min_points=8, inflation=variance_inflation(values))
    values[at : at + width] += height
    found = splits(values, error_rate=RATE, min_points=8, inflation=variance_inflation(values))
    assert len(found) <= len(without)


def test_a_bump_has_two_change_points() -> None:
    values = np.random.default_rng(5).normal(size=300)
    values[100:180] += 3.0
    found = splits(values, error_rate=RATE, min_points=8, inflation=variance_inflation(values))
    assert [abs(split.index - at) <= 2 for split, at in zip(found, (100, 180), strict=True)] == [True, True]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), min_points=st.integers(4, 20))
def test_every_level_has_the_fewest_points_or_more(seed: int, min_points: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.normal(0, 5, 6), rng.integers(1, 40, 6)) + rng.normal(size=1)
    values = values + rng.normal(0, 0.5, len(values))
    edges = [0, *(s.index for s in splits(values, error_rate=0.05, min_points=min_points)), len(values)]
    if len(edges) > 2:
        assert min(np.diff(edges)) >= min_points


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_what_is_found_depends_on_the_order_of_values_alone(seed: int, factor: float, summand: float) -> None:
    values = np.random.default_rng(seed).normal(size=150)
    values[70:] += 2
    plain = splits(values, error_rate=RATE, min_points=8)
    assert splits(np.exp(values), error_rate=RATE, min_points=8) == plain
    mirrored = splits(-values, error_rate=RATE, min_points=8)
    assert [split.index for split in mirrored] == [split.index for split in plain]


def test_steps_below_the_magnitude_are_no_change_points() -> None:
    values = np.random.default_rng(3).normal(0, 0.02, 400)
    values[100:] += log(1.05)
    values[300:] += log(1.5)
    found = splits(values, error_rate=RATE, min_points=8)
    assert len(found) == 2
    large = within_magnitude(values, found, log(1.1), min_points=8, inflation=1.0)
    assert [split.index for split in large] == [300]


@pytest.mark.parametrize(("correlation", "expected"), [(0.0, 1.0), (0.3, 1.857), (0.6, 4.0), (0.8, 9.0)])
def test_the_inflation_is_that_of_the_process_though_it_steps(correlation: float, expected: float) -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = np.zeros(2000)
        for number in range(1, len(values)):
            values[number] = correlation * values[number - 1] + rng.normal()
        values[900:] += 4
        found.append(variance_inflation(values))
    assert 0.85 * expected <= np.median(found) <= 1.5 * expected


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60))
def test_scores_keep_the_order_and_ties_and_sum_to_nothing(values: list[int]) -> None:
    scores = normal_scores(np.array(values, dtype=np.float64))
    assert abs(scores.sum()) < 1e-9
    for (a, x), (b, y) in zip(zip(values, scores, strict=True), zip(values[1:], scores[1:], strict=True), strict=False):
        assert (a < b) == bool(x < y)
        assert (a == b) == bool(x == y)
