from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.family import shared_error_rates
from trimtab.anchor.practical import Practical, lost_seconds_per_hour


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e9), max_size=20))
def test_the_shares_of_alpha_add_up_to_it_and_the_heavier_has_more(total_ms: dict[str, float]) -> None:
    rates = shared_error_rates(total_ms, 0.01)
    assert set(rates) == set(total_ms)
    assert not rates or sum(rates.values()) == pytest.approx(0.01)
    assert all(rates[a] <= rates[b] for a in rates for b in rates if total_ms[a] < total_ms[b])
    assert all(rate >= 0.005 / len(rates) * 0.999 for rate in rates.values()), "the rarest can be judged too"


def test_no_time_is_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        shared_error_rates({"a": -1.0}, 0.01)


def test_what_is_slower_but_costs_nothing_does_not_matter_and_the_reverse() -> None:
    gate = Practical()
    assert lost_seconds_per_hour(1.5, anchor_mean_ms=10, calls_per_hour=3600) == pytest.approx(18.0)
    assert gate.matters(1.5, anchor_mean_ms=10, calls_per_hour=3600)
    assert not gate.matters(1.5, anchor_mean_ms=10, calls_per_hour=360)
    assert not gate.matters(1.09, anchor_mean_ms=1000, calls_per_hour=36_000)
