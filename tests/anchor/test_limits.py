from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import comb, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.limits import QUANTILES, Direction, Why, limits_of, values_needed

ALPHAS = st.sampled_from([0.001, 0.01, 0.05])
MILLISECONDS = st.floats(0.001, 1e6)


def exactly(quantile: float) -> Fraction:
    return Fraction(str(quantile))


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 10), (0.9, 61), (0.99, 637)])
def test_an_anchor_needs_these_many_values_at_one_percent(quantile: float, needed: int) -> None:
    assert values_needed(quantile, 0.01) == needed


@given(ALPHAS, st.integers(1, 800))
def test_a_limit_is_below_its_quantile_no_more_often_than_a_sixth_of_alpha(alpha: float, count: int) -> None:
    """Of the values 1..count the limit tells its own rank: that many values below a quantile are as rare as stated."""
    found = limits_of([float(n) for n in range(1, count + 1)], error_rate=alpha, margin=0.0)
    for limit in found.limits:
        rank, share = int(limit.value), exactly(limit.quantile)

        def at_least(hits: int, share: Fraction = share) -> float:
            """The probability that so many of the anchor's values are below the true quantile."""
            rest = range(hits, count + 1)
            return float(sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in rest))

        assert at_least(rank) <= alpha / 6 * (1 + 1e-9)
        # And none of a lower rank would do.
        assert at_least(rank - 1) > alpha / 6 * (1 - 1e-9)


@given(ALPHAS, st.integers(0, 800))
def test_what_is_not_tested_is_named_with_what_it_needs(alpha: float, count: int) -> None:
    found = limits_of([1.0] * count, error_rate=alpha, margin=0.0)
    assert sorted([limit.quantile for limit in found.limits] + [d.quantile for d in found.dropped]) == [*QUANTILES]
    assert all(d.why is Why.TOO_FEW and d.needed == values_needed(d.quantile, alpha) > count for d in found.dropped)
    assert all(values_needed(limit.quantile, alpha) <= count for limit in found.limits)


def test_an_anchor_that_fails_too_often_drops_the_quantile() -> None:
    found = limits_of([1.0] * 680 + [None] * 20, error_rate=0.01, margin=0.0)
    assert [limit.quantile for limit in found.limits] == [0.5, 0.9]
    assert [(d.quantile, d.why) for d in found.dropped] == [(0.99, Why.ANCHOR_FAILS)]


@given(st.lists(MILLISECONDS, min_size=70, max_size=90), st.floats(0, 1), MILLISECONDS)
def test_a_margin_moves_limits_outwards_and_a_slower_value_passes_more(
    values: list[float], margin: float, value: float
) -> None:
    for direction, sign in ((Direction.SLOWER, 1), (Direction.FASTER, -1)):
        plain = limits_of(values, error_rate=0.01, margin=0.0, direction=direction)
        wide = limits_of(values, error_rate=0.01, margin=margin, direction=direction)
        for near, far in zip(plain.limits, wide.limits, strict=True):
            assert sign * far.value >= sign * near.value * (1 - sign * 1e-12)
        assert all(a <= b for a, b in zip(wide.passed(value), plain.passed(value), strict=True))
        limits = [sign * limit.value for limit in plain.limits]
        assert all(a <= b for a, b in pairwise(limits))


@given(st.lists(MILLISECONDS, min_size=61, max_size=90))
def test_a_failure_is_slower_than_all_and_faster_than_none(values: list[float]) -> None:
    slower = limits_of(values, error_rate=0.01, margin=0.1)
    faster = limits_of(values, error_rate=0.01, margin=0.1, direction=Direction.FASTER)
    for failure in (None, inf):
        assert slower.passed(failure) == (True,) * 2
        assert faster.passed(failure) == (False,) * 2


@given(st.lists(MILLISECONDS, min_size=61, max_size=90), MILLISECONDS)
def test_swapped_roles_are_the_same_test_of_the_reciprocals(values: list[float], value: float) -> None:
    faster = limits_of(values, error_rate=0.01, margin=0.1, direction=Direction.FASTER)
    mirrored = limits_of([1 / each for each in values], error_rate=0.01, margin=0.1)
    assert [limit.value for limit in faster.limits] == pytest.approx([1 / limit.value for limit in mirrored.limits])


@pytest.mark.parametrize("value", [nan, -1.0])
def test_what_is_no_value_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="a value is"):
        limits_of([value], error_rate=0.01, margin=0.0)
    with pytest.raises(ValueError, match="a value is"):
        limits_of([1.0] * 10, error_rate=0.01, margin=0.0).passed(value)
