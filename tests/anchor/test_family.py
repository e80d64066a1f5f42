from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.family import found_by_e_bh, shared_error_rates
from trimtab.anchor.practical import Action, Practical, WentAway, lost_seconds_per_hour

EVIDENCE = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1e6), max_size=12)


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e9), max_size=20))
def test_the_shares_of_alpha_are_those_of_time_and_add_up_to_it(total_ms: dict[str, float]) -> None:
    rates = shared_error_rates(total_ms, 0.01)
    assert set(rates) == {query for query, value in total_ms.items() if value > 0}
    assert not rates or sum(rates.values()) == pytest.approx(0.01)
    assert all(rates[a] <= rates[b] for a in rates for b in rates if total_ms[a] < total_ms[b])


@given(EVIDENCE)
def test_e_bh_finds_the_largest_set_that_its_rule_allows(evidence: dict[str, float]) -> None:
    found = found_by_e_bh(evidence, 0.05)
    ordered = sorted(evidence.values(), reverse=True)
    allowed = [k for k in range(1, len(ordered) + 1) if ordered[k - 1] >= len(ordered) / (k * 0.05)]
    assert len(found) == max(allowed, default=0)
    assert all(evidence[inside] >= evidence[out] for inside in found for out in evidence if out not in found)


def test_one_query_alone_needs_the_whole_evidence_and_many_share_it() -> None:
    assert found_by_e_bh({"a": 19.0}, 0.05) == frozenset()
    assert found_by_e_bh({"a": 20.0}, 0.05) == {"a"}
    assert found_by_e_bh({"a": 20.0, "b": 20.0, "c": 1.0}, 0.05) == frozenset()
    assert found_by_e_bh({"a": 30.0, "b": 30.0, "c": 1.0}, 0.05) == {"a", "b"}


def test_of_found_queries_no_more_than_the_share_are_unchanged() -> None:
    """e-values of unchanged queries that are as large as they may be: 1 / chance, with that chance."""
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(2000):
        unchanged = {f"null {n}": 1 / max(rng.random(), 1e-9) * (rng.random() < 0.9) for n in range(20)}
        found = found_by_e_bh(unchanged | {f"real {n}": 1e4 for n in range(4)}, 0.1)
        shares.append(sum(name.startswith("null") for name in found) / max(len(found), 1))
    assert np.mean(shares) <= 0.1 + 4 * np.std(shares) / len(shares) ** 0.5


def test_what_is_slower_but_costs_nothing_does_not_matter_and_the_reverse() -> None:
    gate = Practical()
    assert lost_seconds_per_hour(1.5, anchor_mean_ms=10, calls_per_hour=3600) == pytest.approx(18.0)
    assert gate.matters(1.5, anchor_mean_ms=10, calls_per_hour=3600)
    assert not gate.matters(1.5, anchor_mean_ms=10, calls_per_hour=360)
    assert not gate.matters(1.09, anchor_mean_ms=1000, calls_per_hour=36_000)


@pytest.mark.parametrize(
    ("now", "recent_effect", "still_matters", "action"),
    [
        (10.0, 1.5, True, Action.WAIT),
        (10.0, 3.0, True, Action.ACT),
        (70.0, 1.5, True, Action.ACT),
        (70.0, 1.0, False, Action.WENT_AWAY),
        (10.0, 1.0, False, Action.WAIT),
        (-50.0, 1.5, True, Action.WAIT),
    ],
)
def test_an_action_waits_a_cycle_for_what_goes_away(
    now: float, recent_effect: float, still_matters: bool, action: Action
) -> None:
    gate = WentAway(cycle_seconds=60.0)
    assert gate.action(proven_at=0.0, now=now, recent_effect=recent_effect, still_matters=still_matters) is action
