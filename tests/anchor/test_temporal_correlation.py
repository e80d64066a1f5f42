"""Claims about what precedes what: rare and close counts, frequent or far does not, and chance is what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anchor.streams import HOUR_NS, START_NS, event, series
from trimtab.anchor.temporal_correlation import (
    Target,
    associations,
    breach_targets,
    correlation,
    kind_associations,
)
from trimtab.model.evolution import EventKind

TIMES = START_NS + np.arange(400) * HOUR_NS
DAY = 86_400.0


def at(hour: int, later: int = 0) -> Target:
    return Target(hour, int(TIMES[hour - 1]), int(TIMES[hour]), int(TIMES[hour + later]))


def test_a_rare_event_just_before_is_close() -> None:
    [found] = associations([at(200)], [event(199.5)], TIMES, max_lag_seconds=DAY)
    assert (found.target, found.lag_seconds) == (200, 0.0)
    assert found.p_value <= 2 / 399
    assert found.adjusted_p == found.p_value


def test_an_event_after_the_likeliest_place_counts_within_the_bounds_of_it() -> None:
    assert associations([at(200, later=1)], [event(202.5)], TIMES, max_lag_seconds=DAY) == ()
    [found] = associations([at(200, later=3)], [event(202.5), event(190)], TIMES, max_lag_seconds=DAY)
    assert (found.event, found.lag_seconds) == (event(202.5), -2.5 * 3600)
    assert found.p_value > 4 / 399


def test_an_event_that_comes_every_two_hours_is_close_to_everything_and_says_nothing() -> None:
    often = [event(hour + 0.5, EventKind.ANALYZED, f"a{hour}") for hour in range(0, 400, 2)]
    [found] = associations([at(201)], often, TIMES, max_lag_seconds=DAY)
    assert found.p_value >= 0.49


def test_what_comes_after_or_long_before_is_left_out_and_so_are_anchors() -> None:
    others = [event(200.5), event(100), event(199.5, EventKind.ANCHOR_RECORDED), event(199.5, EventKind.BREACH)]
    assert associations([at(200)], others, TIMES, max_lag_seconds=DAY) == ()
    assert associations([at(200)], [], TIMES, max_lag_seconds=DAY) == ()
    assert associations([], others, TIMES, max_lag_seconds=DAY) == ()


@given(st.lists(st.integers(1, 398), min_size=1, max_size=5, unique=True), st.lists(st.floats(0, 399), max_size=12))
@settings(max_examples=50, deadline=None)
def test_adjusted_chances_are_no_smaller_and_in_order(targets: list[int], hours: list[float]) -> None:
    events = [
        event(hour, kind, f"{kind}{hour}") for hour in hours for kind in (EventKind.ANALYZED, EventKind.PLAN_CHANGED)
    ]
    found = associations([at(hour) for hour in targets], events, TIMES, max_lag_seconds=DAY)
    assert all(0 < f.p_value <= f.adjusted_p <= 1 for f in found)
    assert [f.adjusted_p for f in found] == sorted(f.adjusted_p for f in found)
    assert all(f.event.time_ns <= TIMES[f.target if isinstance(f.target, int) else 0] for f in found)


def test_chance_alone_makes_an_event_seem_close_no_more_often_than_the_p_value_says() -> None:
    rng = np.random.default_rng(11)
    small = 0
    for _ in range(400):
        events = [event(float(hour)) for hour in rng.uniform(0, 399, 5)]
        found = associations([at(int(rng.integers(1, 400)))], events, TIMES, max_lag_seconds=1e9)
        small += any(f.p_value <= 0.05 for f in found)
    assert small <= 38  # 5 % of 400, and four standard deviations


def test_a_kind_that_precedes_most_targets_is_told_with_its_chance() -> None:
    hours = (50, 120, 200, 310)
    events = [event(hour - 0.5, EventKind.PLAN_CHANGED, f"p{hour}") for hour in hours[:3]]
    events += [event(hour, EventKind.ANALYZED, f"a{hour}") for hour in range(0, 400, 3)]
    found = {k.kind: k for k in kind_associations([at(h) for h in hours], events, TIMES, within_seconds=3600)}
    plan = found[EventKind.PLAN_CHANGED]
    assert (plan.preceded, plan.targets) == (3, 4)
    assert plan.by_chance == pytest.approx(6 / 399, abs=0.01)
    assert plan.p_value < 1e-3
    assert found[EventKind.ANALYZED].p_value > 0.05


def test_of_a_burst_of_breaches_the_first_is_the_target() -> None:
    breaches = [event(hour, EventKind.BREACH, f"b{hour}") for hour in (50, 51, 52, 90)]
    assert [target.name for target in breach_targets(breaches, TIMES)] == ["b50", "b90"]
    assert breach_targets(breaches, np.empty(0, dtype=np.int64)) == []


def test_a_load_that_moves_along_is_seen_and_two_that_merely_wander_are_not() -> None:
    rng = np.random.default_rng(3)
    wandering = np.cumsum(rng.normal(size=400))
    along = correlation(TIMES, wandering, series(wandering + rng.normal(0, 0.3, 400) + 100, name="load"))
    assert along is not None
    assert along.rho > 0.6
    assert along.p_value < 1e-6
    chances = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = correlation(TIMES, np.cumsum(rng.normal(size=400)), series(np.cumsum(rng.normal(size=400)) + 1000))
        assert found is not None
        chances.append(found.p_value)
    assert sum(p <= 0.05 for p in chances) <= 22


def test_companions_with_few_points_or_of_another_time_are_left_out() -> None:
    assert correlation(TIMES, np.arange(400.0), series([1.0] * 5)) is None
    late = series(np.arange(1.0, 400.0))
    assert correlation(TIMES - 10_000 * HOUR_NS, np.arange(400.0), late) is None
