"""Claims about the interval of a trial's gain: it holds the truth as often as it says, and narrows as rounds come."""

from __future__ import annotations

import random
from math import exp

import pytest

from trimtab.trial.gain_interval import gain_interval


def _rounds(saved: float, count: int, seed: int, noise: float = 0.05) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(100 * exp(rng.gauss(0, noise)), 100 * (1 - saved) * exp(rng.gauss(0, noise))) for _ in range(count)]


def test_nothing_is_said_without_rounds_or_their_noise() -> None:
    assert gain_interval((), 0.05) is None
    assert gain_interval([(2.0, 1.0)], 0.0) is None


def test_few_rounds_refute_nothing() -> None:
    found = gain_interval(_rounds(0.4, 2, 1), 0.05)
    assert found is not None
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("saved", [-0.3, 0.0, 0.4, 0.9])
def test_it_holds_the_true_gain_at_least_as_often_as_it_says(saved: float) -> None:
    held = 0
    for seed in range(25):
        found = gain_interval(_rounds(saved, 20, seed), 0.05)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= saved <= found.high
    assert held >= 22


def test_more_rounds_narrow_it() -> None:
    rounds = _rounds(0.4, 60, 3)
    few, many = gain_interval(rounds[:12], 0.05), gain_interval(rounds, 0.05)
    assert few is not None
    assert many is not None
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.high - many.low < few.high - few.low
