from __future__ import annotations

from math import log
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.common_mode import (
    LEAST_COMPANIONS,
    MOST_COMPANIONS,
    Pooled,
    calls_required,
    common_mode,
    excused,
    log_excess,
    nearest_companions,
    pool,
)

EXCESSES = st.lists(st.one_of(st.floats(-3, 3), st.just(float("nan"))), min_size=1, max_size=30)


def arrays(*rows: list[float]) -> list[np.ndarray]:
    return [np.array(row, dtype=float) for row in rows]


@given(EXCESSES, st.data())
def test_the_common_mode_is_the_median_of_the_nearest_other_unchanged_queries(
    excesses: list[float], data: st.DataObject
) -> None:
    size = len(excesses)
    flags = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    # Each duration once, so that there is one answer.
    typical = data.draw(st.lists(st.integers(1, 10**6), min_size=size, max_size=size, unique=True))
    serves = [flag and not np.isnan(excess) for flag, excess in zip(flags, excesses, strict=True)]
    companions = nearest_companions(np.array(typical, dtype=float), np.array(serves))
    found = common_mode(np.array(excesses), companions)
    count = min(MOST_COMPANIONS, max(LEAST_COMPANIONS, sum(serves) // 2))
    for number, common in enumerate(found):
        own = log(typical[number])
        others = sorted((abs(log(typical[o]) - own), o) for o in range(size) if serves[o] and o != number)
        if len(others) < LEAST_COMPANIONS:
            assert np.isnan(common)
        elif len(others) == count or others[count][0] > others[count - 1][0] * (1 + 1e-9):
            assert common == pytest.approx(median(excesses[other] for _, other in others[:count]))


def test_a_short_query_is_compared_with_short_ones_and_a_long_one_with_long_ones() -> None:
    typical = np.array([0.1] * 6 + [50.0] * 6)
    excess = np.array([0.7] * 6 + [0.2] * 6)
    companions = nearest_companions(typical, np.ones(12, dtype=bool))
    assert common_mode(excess, companions).tolist() == pytest.approx([0.7] * 5 + [0.7] + [0.2] * 6)
    assert all(number not in row for number, row in enumerate(companions.tolist()))


def test_a_query_without_an_anchor_has_no_companions_and_is_none() -> None:
    companions = nearest_companions(np.array([0.0, *range(1, 8)], dtype=float), np.ones(8, dtype=bool))
    assert (companions[0] == -1).all()
    assert 0 not in companions
    assert (nearest_companions(np.ones(3), np.zeros(3, dtype=bool)) == -1).all()


@given(st.floats(0.1, 10), st.integers(6, 20))
def test_what_all_queries_share_leaves_every_factor_as_it_is(load: float, queries: int) -> None:
    calls = np.arange(1.0, queries + 1)
    means = np.linspace(0.1, 40, queries)
    slowed = np.ones(queries)
    slowed[0] = 1.5
    total = calls * means * load * slowed
    common = common_mode(log_excess(calls, total, means), nearest_companions(means, np.ones(queries, dtype=bool)))
    _, factors = pool(
        Pooled.empty(queries), calls, total, anchor_mean_ms=means, common=common, required_calls=np.ones(queries)
    )
    assert factors.tolist() == pytest.approx(slowed.tolist())


def test_others_that_got_faster_accuse_nobody_and_others_that_got_slower_excuse() -> None:
    assert excused(np.array([-0.7, 0.0, 0.7, np.nan])).tolist() == pytest.approx([0.0, 0.0, 0.7, np.nan], nan_ok=True)


def test_a_changed_query_is_no_companion() -> None:
    """Most queries have changed and are slower; the five that have not show that the host is as it was."""
    excess = np.array([1.0] * 10 + [0.0] * 6)
    unchanged = np.array([False] * 10 + [True] * 6)
    common = common_mode(excess, nearest_companions(np.arange(1.0, 17.0), unchanged))
    assert common.tolist() == [0.0] * 16


def test_too_few_calls_wait_for_more_and_lose_nothing() -> None:
    means, none, required = arrays([2.0, 2.0], [0.0, 0.0], [10.0, 10.0])
    state = Pooled.empty(2)
    due = []
    for calls, total in (([4, 12], [8, 24]), ([4, 12], [16, 48]), ([4, 0], [8, 0])):
        state, factors = pool(
            state,
            np.array(calls, dtype=float),
            np.array(total, dtype=float),
            anchor_mean_ms=means,
            common=none,
            required_calls=required,
        )
        due.append(factors.tolist())
    assert due[0] == pytest.approx([np.nan, 1.0], nan_ok=True)
    assert due[1] == pytest.approx([np.nan, 2.0], nan_ok=True)
    # 12 calls in three intervals, 32 ms in place of 24.
    assert due[2] == pytest.approx([32 / 24, np.nan], nan_ok=True)
    assert state.calls.tolist() == [0.0, 0.0]


def test_pooled_intervals_each_have_their_own_load() -> None:
    means, required = arrays([1.0], [20.0])
    state, factors = pool(
        Pooled.empty(1), *arrays([10], [10]), anchor_mean_ms=means, common=np.log([1.0]), required_calls=required
    )
    assert np.isnan(factors[0])
    state, factors = pool(
        state, *arrays([10], [40]), anchor_mean_ms=means, common=np.log([4.0]), required_calls=required
    )
    assert factors[0] == pytest.approx(1.0)


def test_an_interval_without_a_common_mode_is_skipped_and_counted() -> None:
    means, required = arrays([1.0], [1.0])
    state, factors = pool(
        Pooled.empty(1), *arrays([10], [99]), anchor_mean_ms=means, common=np.array([np.nan]), required_calls=required
    )
    assert np.isnan(factors[0])
    assert state.skipped.tolist() == [1]
    assert state.calls.tolist() == [0.0]


def test_what_was_not_called_or_has_no_anchor_has_no_excess() -> None:
    calls, total, means = arrays([0, 5, 5, 5], [0, 0, 9, 10], [1, 1, 0, 2])
    assert log_excess(calls, total, means).tolist() == pytest.approx([np.nan, np.nan, np.nan, 0.0], nan_ok=True)


def test_counters_that_went_backwards_are_refused() -> None:
    means = np.ones(1)
    with pytest.raises(ValueError, match="backwards"):
        pool(Pooled.empty(1), *arrays([-3], [1]), anchor_mean_ms=means, common=np.zeros(1), required_calls=np.ones(1))


def test_a_factor_needs_as_many_calls_as_the_anchors_typical_interval() -> None:
    assert calls_required([0, 0, 30, 50, 40]) == 40
    assert calls_required([0.0]) == 1
