"""The quantile against the printed tables, and the properties that the tables do not show."""

from __future__ import annotations

from math import pi, sqrt, tan
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.settle.student import t_quantile


@pytest.mark.parametrize(
    ("share", "freedom", "expected"),
    [(0.975, 1, 12.7062), (0.99, 2, 6.9646), (0.95, 5, 2.0150), (0.999, 10, 4.1437), (0.9995, 19, 3.8834)],
)
def test_the_tables(share: float, freedom: float, expected: float) -> None:
    assert t_quantile(share, freedom) == pytest.approx(expected, abs=5e-5)


@given(st.floats(0.5, 0.999_999), st.floats(1.0, 5_000.0))
def test_it_is_wider_than_the_normal_narrower_than_the_cauchy_and_symmetric(share: float, freedom: float) -> None:
    found = t_quantile(share, freedom)
    assert NormalDist().inv_cdf(share) - 1e-9 <= found <= tan(pi * (share - 0.5)) * (1 + 1e-9) + 1e-9
    assert t_quantile(1.0 - share, freedom) == pytest.approx(-found, rel=1e-6, abs=1e-9)


def test_the_far_tail_of_few_degrees_of_freedom() -> None:
    # With two degrees the quantile is known in full; those below lie in order.
    share = 0.999_999
    assert t_quantile(share, 2.0) == pytest.approx((2 * share - 1) / sqrt(2 * share * (1 - share)), rel=1e-6)
    assert t_quantile(share, 2.0) < t_quantile(share, 1.5) < t_quantile(share, 1.0)


def test_it_goes_over_into_the_normal() -> None:
    assert t_quantile(0.999, 9_999.0) == pytest.approx(t_quantile(0.999, 10_001.0), rel=1e-3)


@pytest.mark.parametrize(("share", "freedom"), [(0.0, 5.0), (1.0, 5.0), (0.9, 0.5)])
def test_what_is_no_share_and_no_freedom_is_refused(share: float, freedom: float) -> None:
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile(share, freedom)
