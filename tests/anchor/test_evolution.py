"""Claims about the description as a whole: steps, drift and season told apart, and what does not count left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anchor.streams import HOUR_NS, START_NS, event, series
from trimtab.anchor.evolution import describe
from trimtab.model.evolution import EventKind, Point, Rules, Scale, Series


def latency(count: int, seed: int, spread: float = 0.2) -> np.ndarray:
    return 10 * np.random.default_rng(seed).lognormal(0, spread, count)


def test_a_step_has_its_size_with_an_interval_and_a_level_on_each_side() -> None:
    values = latency(400, 1)
    values[250:] *= 2.0
    found = describe(series(values))
    [step] = found.change_points
    assert abs(step.index - 250) <= 3
    assert step.earliest_ns < START_NS + 250 * HOUR_NS <= step.latest_ns
    assert step.shift_low <= 2.0 <= step.shift_high
    assert step.p_value <= found.rules.error_rate
    assert [segment.level.n for segment in found.segments] == [step.index, 400 - step.index]
    assert found.level is not None
    assert found.level.low <= 20.0 <= found.level.high
    assert found.drift is not None
    assert not found.drift.is_drift


@pytest.mark.parametrize("rate", [-0.05, -0.02, 0.01, 0.03])
def test_a_steady_drift_is_a_drift_and_no_stairs(rate: float) -> None:
    days = np.arange(720) / 24
    stairs = 0
    for seed in range(25):
        found = describe(series(latency(720, seed) * (1 + rate) ** days))
        stairs += bool(found.change_points)
        assert found.drift is not None
        assert found.drift.is_drift
        assert found.drift.per_day == pytest.approx(rate, abs=0.01)
    assert stairs <= 1


def test_a_step_upon_a_drift_is_one_step() -> None:
    days = np.arange(960) / 24
    values = latency(960, 4) * 1.02**days * np.where(days >= 20, 2.0, 1.0)
    found = describe(series(values))
    [step] = found.change_points
    assert abs(step.index - 480) <= 4
    assert step.shift == pytest.approx(2.0, rel=0.1)
    assert found.drift is not None
    assert found.drift.per_day == pytest.approx(0.02, abs=0.005)


def test_a_step_under_a_daily_season_is_one_step() -> None:
    hours = np.arange(1000)
    values = latency(1000, 2) * np.exp(0.5 * np.sin(2 * np.pi * hours / 24)) * np.where(hours >= 600, 1.5, 1.0)
    found = describe(series(values))
    assert found.seasonality.hours == 24
    [step] = found.change_points
    assert abs(step.index - 600) <= 5
    assert step.shift == pytest.approx(1.5, rel=0.1)


def test_a_spike_is_no_step() -> None:
    values = latency(400, 3)
    values[200], values[300:303] = 1e6, 500.0
    assert describe(series(values)).change_points == ()


@given(st.integers(0, 60), st.sampled_from(Scale))
@settings(max_examples=30, deadline=None)
def test_any_number_of_points_is_described(count: int, scale: Scale) -> None:
    found = describe(series(np.full(count, 3.0), scale=scale), [event(1), event(2, EventKind.BREACH)])
    assert len(found.kept) == count
    assert found.change_points == ()
    assert (found.level is None) == (count < found.rules.min_points)
    if found.level is not None:
        assert found.level.value == pytest.approx(3.0)


def test_what_is_no_number_or_rests_on_too_few_calls_is_left_out_and_counted() -> None:
    good = [Point(START_NS + n * HOUR_NS, 5.0, 10) for n in range(20)]
    bad = [
        Point(START_NS, float("nan"), 10),
        Point(START_NS, float("inf"), 10),
        Point(START_NS, 0.0, 10),
        Point(START_NS, -1.0, 10),
        Point(START_NS, 900.0, 2),
    ]
    points = tuple(bad + good[::-1])
    found = describe(Series("q1", "response_latency", "ms", points), rules=Rules(min_calls=5))
    assert found.left_out == 5
    assert list(found.kept) == good
    by_difference = describe(Series("d", "quantum_coherence", "", points, Scale.DIFFERENCE), rules=Rules(min_calls=5))
    assert by_difference.left_out == 3


def test_by_difference_a_step_is_a_difference() -> None:
    values = np.random.default_rng(1).normal(0.9, 0.02, 300)
    values[150:] -= 0.3
    found = describe(series(values, scale=Scale.DIFFERENCE))
    [step] = found.change_points
    assert step.shift == pytest.approx(-0.3, abs=0.02)


def test_the_same_input_gives_the_same_description() -> None:
    values = latency(300, 9)
    values[100:] *= 1.6
    events = [event(99.5), event(10, EventKind.ANALYZED)]
    assert describe(series(values), events) == describe(series(values), events[::-1])


def test_a_step_names_the_change_before_it() -> None:
    values = latency(400, 5)
    values[250:] *= 2
    found = describe(series(values), [event(249.5), *(event(h, EventKind.ANALYZED, f"a{h}") for h in range(0, 400, 9))])
    first = found.associations[0]
    assert (first.event.kind, first.target) == (EventKind.CHANGE_APPLIED, found.change_points[0].index)
    assert first.adjusted_p <= 0.05
    assert all(a.adjusted_p > 0.05 for a in found.associations[1:])
