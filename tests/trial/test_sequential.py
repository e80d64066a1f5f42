from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import log, log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.paired import (
    BETS,
    CLIP_SCALES,
    SCALE_CEILING,
    SCALE_FLOOR,
    SCALE_UNKNOWN,
    PairedTest,
    log_gain,
    noise_scale,
)

STREAMS = 3000
PAIRS = 120


def largest_binomial(trials: int, rate: float, confidence: float = 0.999) -> int:
    """The largest count that a rate of at most `rate` gives, but for one time in a thousand."""
    logs = np.cumsum(np.log(np.arange(1, trials + 1)))
    ways = logs[-1] - np.concatenate([[0.0], logs]) - np.concatenate([[0.0], logs])[::-1]
    counts = np.arange(trials + 1)
    chances = np.exp(ways + counts * log(rate) + (trials - counts) * log1p(-rate))
    return int(np.searchsorted(np.cumsum(chances), confidence))


def peaks(log_gains: np.ndarray, *, scale: float, margin: float = 0.0) -> np.ndarray:
    """The highest evidence of each stream, looked at after every pair: PairedTest over a matrix."""
    scores = np.clip((log_gains - log1p(margin)) / (CLIP_SCALES * scale), -1.0, 1.0)
    wealth = np.stack([np.cumprod(1.0 + bet * scores, axis=1) for bet in BETS]).mean(axis=0)
    return np.asarray(wealth.max(axis=1))


def sharp_null(noise: str, rng: np.random.Generator) -> np.ndarray:
    """Log gains of pairs in which the change does nothing: whichever run comes second, a fair coin names the arms."""
    runs: dict[str, Callable[[], np.ndarray]] = {
        "cauchy": lambda: np.exp(np.clip(rng.standard_cauchy((2, STREAMS, PAIRS)), -50, 50)),
        "pareto": lambda: 1 + rng.pareto(0.6, (2, STREAMS, PAIRS)),
        "drift": lambda: np.exp(
            np.stack([np.arange(PAIRS) * 0.05, np.arange(PAIRS) * 0.05 + 0.4])[:, None, :]
            + rng.normal(0, 0.01, (2, STREAMS, PAIRS))
        ),
        "second run is warm": lambda: np.stack(
            [rng.lognormal(1.0, 0.1, (STREAMS, PAIRS)), rng.lognormal(0.0, 0.1, (STREAMS, PAIRS))]
        ),
        "autocorrelated": lambda: np.exp(np.cumsum(rng.normal(0, 0.3, (2, STREAMS, PAIRS)), axis=2)),
        "quantised": lambda: np.round(rng.lognormal(-4.0, 0.5, (2, STREAMS, PAIRS)), 2) + 0.001,
        "constant": lambda: np.ones((2, STREAMS, PAIRS)),
    }
    first_ms, second_ms = runs[noise]()
    coin = rng.choice([-1.0, 1.0], (STREAMS, PAIRS))
    return np.asarray(coin * np.log(first_ms / second_ms))


NOISES = ["cauchy", "pareto", "drift", "second run is warm", "autocorrelated", "quantised", "constant"]


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("error_rate", [0.01, 0.05])
def test_a_change_that_does_nothing_is_accepted_no_more_often_than_stated(noise: str, error_rate: float) -> None:
    gains = sharp_null(noise, np.random.default_rng(7))
    for scale in (0.01, 0.05, 0.5):
        accepted = int((peaks(gains, scale=scale) >= 1 / error_rate).sum())
        assert accepted <= largest_binomial(STREAMS, error_rate)


@pytest.mark.parametrize("noise", NOISES)
def test_a_margin_only_lowers_the_chance_of_a_false_acceptance(noise: str) -> None:
    gains = sharp_null(noise, np.random.default_rng(11))
    assert int((peaks(gains, scale=0.05, margin=0.05) >= 20).sum()) <= largest_binomial(STREAMS, 0.05)


def test_a_constant_gain_below_the_margin_is_accepted_no_more_often_than_stated() -> None:
    gains = log(1.25) + sharp_null("cauchy", np.random.default_rng(3)) * 0.1
    accepted = int((peaks(gains, scale=0.05, margin=0.25) >= 20).sum())
    assert accepted <= largest_binomial(STREAMS, 0.05)


def test_the_matrix_of_these_tests_is_the_test_itself() -> None:
    gains = sharp_null("pareto", np.random.default_rng(5))[:20]
    for row, peak in zip(gains, peaks(gains, scale=0.05, margin=0.1), strict=True):
        test = PairedTest(0.01, 0.05, 0.1)
        highest = 0.0
        for gain in row:
            test = test.observe(float(gain))
            highest = max(highest, test.e_value)
        assert highest == pytest.approx(peak)
        assert test.peak == pytest.approx(max(peak, 1.0))


def test_a_clear_gain_is_proven_in_ten_pairs_at_one_percent() -> None:
    test = PairedTest(0.01, 0.05)
    while not test.is_proven:
        test = test.observe(log(2.0))
    assert test.pairs == 10


def test_a_gain_that_was_proven_stays_proven() -> None:
    test = PairedTest(0.05, 0.05)
    for _ in range(10):
        test = test.observe(1.0)
    for _ in range(30):
        test = test.observe(-1.0)
    assert test.is_proven
    assert test.e_value < 1


def test_ties_are_no_evidence() -> None:
    test = PairedTest(0.01, SCALE_FLOOR)
    for _ in range(500):
        test = test.observe(log_gain(3.0, 3.0))
    assert test.e_value == 1.0
    assert not test.is_proven


def test_a_test_without_gain_becomes_futile_and_one_with_gain_does_not() -> None:
    hopeless, promising = PairedTest(0.01, 0.05), PairedTest(0.01, 0.05)
    for number in range(12):
        hopeless = hopeless.observe(-0.1 if number % 2 else 0.05)
        promising = promising.observe(0.1)
    assert hopeless.is_futile(20)
    assert not promising.is_futile(20)
    assert PairedTest(0.01, 0.05).is_futile(3)
    assert not PairedTest(0.01, 0.05).is_futile(10)


@given(st.lists(st.floats(-1e6, 1e6), max_size=400), st.floats(0.001, 0.2), st.floats(SCALE_FLOOR, SCALE_CEILING))
def test_the_evidence_is_always_finite_and_never_negative(gains: list[float], rate: float, scale: float) -> None:
    test = PairedTest(rate, scale)
    for gain in gains:
        test = test.observe(gain)
    assert 0 <= test.e_value <= test.peak < float("inf")
    assert test.pairs == len(gains)


@given(
    st.lists(st.floats(-2, 2), max_size=40), st.lists(st.floats(-2, 2), max_size=5), st.floats(0.001, 0.2),
    st.floats(-0.5, 0.5),
)  # fmt: skip
def test_what_many_gains_would_prove_is_what_they_prove_one_by_one(
    gains: list[float], before: list[float], rate: float, margin: float
) -> None:
    begun = reduce(PairedTest.observe, before, PairedTest(rate, 0.1, margin))
    assert begun.is_proven_by(gains) == reduce(PairedTest.observe, gains, begun).is_proven


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_the_gain_is_antisymmetric_and_finite(before_ms: float, after_ms: float) -> None:
    assert log_gain(before_ms, after_ms) == pytest.approx(-log_gain(after_ms, before_ms))


@given(st.lists(st.floats(-100, 100)))
def test_the_scale_stays_between_floor_and_ceiling(ratios: list[float]) -> None:
    assert SCALE_FLOOR <= noise_scale(ratios) <= SCALE_CEILING


def test_the_scale_of_normal_noise_is_its_standard_deviation() -> None:
    ratios = np.random.default_rng(1).normal(0, 0.1, 4000)
    assert noise_scale(list(ratios)) == pytest.approx(0.1, rel=0.1)
    assert noise_scale([]) == SCALE_UNKNOWN
    assert noise_scale([0.0, 0.0, 0.2]) == pytest.approx(0.2)
