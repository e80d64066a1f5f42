"""Claims about seasons: taken out where there is history that shows them, and the reason where not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anchor.streams import HOUR_NS, START_NS
from trimtab.anchor.seasonality import seasonality


def hours(count: int) -> np.ndarray:
    return START_NS + np.arange(count) * HOUR_NS


def daily(count: int, height: float) -> np.ndarray:
    return np.asarray(height * np.sin(2 * np.pi * (hours(count) // HOUR_NS) / 24))


def weekly(count: int, height: float) -> np.ndarray:
    """Days of work, Monday to Friday, are higher."""
    return np.where((hours(count) // HOUR_NS // 24 + 3) % 7 < 5, height, 0.0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), height=st.floats(0.5, 5), days=st.integers(10, 40))
def test_a_daily_season_is_taken_out(seed: int, height: float, days: int) -> None:
    count = days * 24
    values = daily(count, height) + np.random.default_rng(seed).normal(0, 0.2, count)
    season, effects = seasonality(hours(count), values)
    assert season.hours in (24, 168)
    assert np.std(values - effects) < 0.3


def test_a_weekly_season_takes_the_week() -> None:
    count = 6 * 168
    values = weekly(count, 1.0) + daily(count, 0.3) + np.random.default_rng(1).normal(0, 0.1, count)
    season, effects = seasonality(hours(count), values)
    assert season.hours == 168
    assert season.explained > 0.6
    assert np.std(values - effects) < 0.2
    monday_noon, sunday_noon = season.effects[12], season.effects[6 * 24 + 12]
    assert monday_noon - sunday_noon == pytest.approx(1.0, abs=0.2)


def test_noise_has_no_season() -> None:
    found = [seasonality(hours(1000), np.random.default_rng(seed).normal(size=1000))[0].hours for seed in range(30)]
    assert found == [0] * 30


def test_a_step_does_not_pass_for_a_season() -> None:
    values = np.random.default_rng(1).normal(0, 0.1, 1000)
    values[500:] += 5
    season, effects = seasonality(hours(1000), values)
    assert season.hours == 0
    assert not effects.any()


@pytest.mark.parametrize(
    ("count", "step_ns", "reason"),
    [
        (
            100,
            HOUR_NS,
            "4.1 days of history, the hour of the week needs 28; 4.1 days of history, the hour of the day needs 7",
        ),
        (60, 24 * HOUR_NS, "too few points in most hours of the week; too few points in most hours of the day"),
    ],
)
def test_too_little_history_is_said(count: int, step_ns: int, reason: str) -> None:
    season, effects = seasonality(START_NS + np.arange(count) * step_ns, np.sin(np.arange(count)))
    assert (season.hours, season.effects, season.explained) == (0, (), 0.0)
    assert season.reason == reason
    assert not effects.any()


def test_nothing_is_no_history() -> None:
    season, effects = seasonality(np.empty(0, dtype=np.int64), np.empty(0))
    assert season.hours == 0
    assert len(effects) == 0


def test_gaps_and_several_points_an_hour_are_no_matter() -> None:
    rng = np.random.default_rng(7)
    times = np.sort(START_NS + rng.integers(0, 30 * 24, 3000) * HOUR_NS + rng.integers(0, HOUR_NS, 3000))
    values = np.sin(2 * np.pi * (times // HOUR_NS) / 24) + rng.normal(0, 0.2, 3000)
    season, effects = seasonality(times, values)
    assert season.hours in (24, 168)
    assert np.std(values - effects) < 0.3
