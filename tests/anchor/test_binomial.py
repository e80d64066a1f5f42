from __future__ import annotations

from fractions import Fraction
from math import comb, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.binomial import (
    binomial_cdf,
    binomial_quantile,
    binomial_tail,
    rate_lower_bound,
    rate_upper_bound,
)

TRIALS = st.integers(1, 60)
RATES = st.fractions(0, 1, max_denominator=1000)


def exact(count: int, trials: int, rate: Fraction) -> Fraction:
    """The probability of at most `count` hits, without rounding."""
    return sum(
        (comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(min(count, trials) + 1)), Fraction(0)
    )


@given(TRIALS, RATES, st.data())
def test_sums_are_those_of_exact_fractions(trials: int, rate: Fraction, data: st.DataObject) -> None:
    count = data.draw(st.integers(-1, trials + 1))
    below = exact(count, trials, rate)
    assert isclose(binomial_cdf(count, trials, float(rate)), below, rel_tol=1e-9, abs_tol=1e-12)
    above = 1 - exact(count - 1, trials, rate)
    assert isclose(binomial_tail(count, trials, float(rate)), above, rel_tol=1e-9, abs_tol=1e-300)


@given(TRIALS, RATES, st.sampled_from([Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(599, 600)]))
def test_the_quantile_is_the_smallest_count_that_holds(trials: int, rate: Fraction, share: Fraction) -> None:
    found = binomial_quantile(float(share), trials, float(rate))
    # A count whose sum is the share to the last digit may fall on either side.
    assert exact(found, trials, rate) >= share - Fraction(1, 10**12)
    assert found == 0 or exact(found - 1, trials, rate) <= share + Fraction(1, 10**12)


@given(TRIALS, st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_bounds_are_the_rates_at_which_the_tails_have_the_rest(
    trials: int, data: st.DataObject, confidence: float
) -> None:
    count = data.draw(st.integers(0, trials))
    upper, lower = rate_upper_bound(count, trials, confidence), rate_lower_bound(count, trials, confidence)
    assert lower <= count / trials <= upper or confidence == 0.5
    if count < trials:
        assert isclose(exact(count, trials, Fraction(upper)), 1 - confidence, rel_tol=1e-6)
    else:
        assert upper == 1.0
    if count > 0:
        assert isclose(1 - exact(count - 1, trials, Fraction(lower)), 1 - confidence, rel_tol=1e-6)
    else:
        assert lower == 0.0


def test_large_numbers_of_trials_are_summed() -> None:
    """Against the Poisson limit, and the sum of all but one count."""
    assert binomial_cdf(3, 10_000_000, 1e-7) == pytest.approx(0.9810118431238462, rel=1e-5)
    assert binomial_cdf(499_999, 1_000_000, 0.5) + binomial_tail(500_000, 1_000_000, 0.5) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("count", "trials", "confidence"), [(2, 1, 0.9), (-1, 3, 0.9), (0, 0, 0.9), (1, 2, 1.0)])
def test_counts_that_cannot_be_are_refused(count: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        rate_upper_bound(count, trials, confidence)
