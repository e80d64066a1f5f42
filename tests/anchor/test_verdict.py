from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pytest

from trimtab.anchor.effect import EffectSize
from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import Direction, limits_of
from trimtab.anchor.onset import OnsetDetector
from trimtab.anchor.power import smallest_effect
from trimtab.anchor.verdict import Finding, Method, RegressionVerdict, exceedance_verdict, onset_verdict
from trimtab.model.paired_power import POWER

ANCHOR = np.random.default_rng(1).lognormal(0, 0.6, 700).tolist()


def verdict_after(
    values: Sequence[float | None], *, anchor: Sequence[float] = ANCHOR, direction: Direction = Direction.SLOWER
) -> RegressionVerdict:
    limits = limits_of(anchor, error_rate=0.01, margin=0.05, direction=direction)
    return exceedance_verdict(reduce(ExceedanceTest.observe, values, ExceedanceTest(limits)), anchor)


def test_a_verdict_tells_alpha_margin_and_the_smallest_effect() -> None:
    quiet = verdict_after([1.0] * 100)
    assert (quiet.method, quiet.finding, quiet.error_rate, quiet.margin) == (
        Method.EXCEEDANCE,
        Finding.NOT_SHOWN,
        0.01,
        0.05,
    )
    assert (quiet.observations, quiet.needed_e_value, quiet.power) == (100, 200.0, 0.8)
    assert quiet.smallest_effect is not None
    assert 1.3 < quiet.smallest_effect < 2.0
    assert verdict_after([30.0, 30.0, None, 30.0, 30.0]).finding is Finding.REGRESSED
    assert verdict_after([0.01] * 5, direction=Direction.FASTER).finding is Finding.IMPROVED


def test_an_anchor_of_few_values_says_that_nothing_is_tested() -> None:
    found = verdict_after([9.0] * 50, anchor=[1.0] * 5)
    assert found.finding is Finding.NOT_TESTABLE
    assert found.smallest_effect is None
    assert [d.needed for d in found.dropped] == [10, 61, 637]


def test_more_executions_see_smaller_effects_and_none_see_none() -> None:
    limits = limits_of(ANCHOR, error_rate=0.01, margin=0.05)
    seen = [smallest_effect(limits, ANCHOR, count, needed=200.0) for count in (0, 1, 3, 10, 30, 100, 1000, 10_000)]
    assert seen[:2] == [None, None]
    told = [effect for effect in seen if effect is not None]
    assert told == sorted(told, reverse=True)
    assert told[-1] >= 1.05


@pytest.mark.parametrize("direction", [Direction.SLOWER, Direction.FASTER])
@pytest.mark.parametrize("executions", [5, 20, 100])
def test_the_smallest_effect_is_shown_about_as_often_as_it_says(direction: Direction, executions: int) -> None:
    limits = limits_of(ANCHOR, error_rate=0.01, margin=0.05, direction=direction)
    effect = smallest_effect(limits, ANCHOR, executions, needed=200.0)
    assert effect is not None
    factor = effect * 1.0001 if direction is Direction.SLOWER else 1 / (effect * 1.0001)
    rng = np.random.default_rng(7)
    shown = [
        reduce(ExceedanceTest.observe, rng.choice(ANCHOR, executions) * factor, ExceedanceTest(limits)).is_proven
        for _ in range(400)
    ]
    assert np.mean(shown) >= POWER - 4 * (POWER * (1 - POWER) / len(shown)) ** 0.5


def test_the_ever_on_detector_tells_looks_in_place_of_alpha() -> None:
    limits = limits_of(ANCHOR, error_rate=0.01, margin=0.05)
    quiet = onset_verdict(limits, ANCHOR, looks=50, value=_onset([1.0] * 50), level=1e6, skipped=2)
    assert (quiet.method, quiet.finding, quiet.error_rate, quiet.looks_per_false_alarm) == (
        Method.ONSET,
        Finding.NOT_SHOWN,
        None,
        1e6,
    )
    assert quiet.skipped == 2
    assert onset_verdict(limits, ANCHOR, looks=50, value=_onset([90.0] * 50), level=1e6).finding is Finding.REGRESSED


def _onset(values: Sequence[float]) -> float:
    limits = limits_of(ANCHOR, error_rate=0.01, margin=0.05)
    return reduce(OnsetDetector.observe, values, OnsetDetector(limits, 1e6)).value


def test_an_effects_interval_holds_the_truth_at_every_look_and_narrows() -> None:
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(200):
        size = EffectSize()
        outside = False
        for factor in 1.3 * rng.lognormal(0, 0.3, 200):
            size = size.observe(float(factor))
            bounds = size.interval(0.05)
            # Asymptotic: it is not meant for the first few.
            outside |= bounds is not None and size.values >= 20 and not bounds[0] <= 1.3 <= bounds[1]
        missed += outside
    assert missed <= 200 * 0.05 + 4 * (200 * 0.05 * 0.95) ** 0.5
    assert EffectSize().interval(0.05) is None
    bounds = size.interval(0.05)
    assert bounds is not None
    assert bounds[0] < size.factor < bounds[1] < bounds[0] * 1.25
