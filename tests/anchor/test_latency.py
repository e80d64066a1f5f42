"""Claims about the latency of a query: counts are exact, quantiles within one in a hundred, the sample is a sample."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.latency import MOST_SAMPLED, RELATIVE_ERROR, Latency

TIMES = st.lists(st.floats(1e-5, 1e8), min_size=1, max_size=300)


@given(TIMES, st.floats(0.01, 1.0))
def test_a_quantile_is_within_one_in_a_hundred_of_the_time_of_that_rank(times: list[float], share: float) -> None:
    found = Latency.of(times, random=Random(1)).quantile(share)
    exact = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    assert found == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9))


@given(TIMES)
def test_counts_sums_and_the_longest_are_exact(times: list[float]) -> None:
    latency = Latency.of(times, errors=2, random=Random(1))
    assert (latency.count, latency.errors, latency.max_ms) == (len(times), 2, max(times))
    assert latency.sum_ms == pytest.approx(sum(times))
    assert latency.mean_ms == pytest.approx(sum(times) / len(times))
    assert latency.sample == tuple(times)


def test_of_many_times_a_bounded_sample_is_kept_in_which_each_is_as_likely() -> None:
    seen = [0.0] * 10
    for seed in range(40):
        sample = Latency.of((float(n) for n in range(1, 10_001)), random=Random(seed)).sample
        assert len(sample) == MOST_SAMPLED
        for value in sample:
            seen[int((value - 1) // 1000)] += 1
    assert all(3_700 < count < 4_300 for count in seen)  # 4,000 each; sixty is a standard deviation


def test_nothing_that_ran_has_no_quantile() -> None:
    assert Latency().quantile(0.5) is None
    assert Latency().mean_ms == 0.0


@given(TIMES, st.floats(1e-5, 1e8))
def test_none_that_took_longer_than_a_level_is_left_out(times: list[float], level: float) -> None:
    found = Latency.of(times, random=Random(1)).beyond(level)
    assert found >= sum(ms > level for ms in times)
    assert found <= sum(ms > level * (1 - 3 * RELATIVE_ERROR) for ms in times)
