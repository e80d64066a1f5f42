from __future__ import annotations

import random
from functools import reduce
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import Limits, limits_of
from trimtab.anchor.many import (
    limit_rows,
    log_e_values,
    onset_start,
    onset_step,
    onset_values,
    passed_rows,
)
from trimtab.anchor.onset import OnsetDetector, alarm_level

ANCHOR = [float(n) for n in range(1, 701)]
VALUES = st.lists(st.floats(0.001, 2000), max_size=60)


def limits(count: int = 700) -> Limits:
    return limits_of(ANCHOR[:count], error_rate=0.01, margin=0.05)


def test_the_level_is_all_looks_of_the_days_without_a_false_alarm() -> None:
    assert alarm_level(500, 1440, 30) == 21_600_000
    with pytest.raises(ValueError, match="at least one query"):
        alarm_level(0, 1440, 30)


@given(st.lists(st.integers(0, 3), max_size=100))
def test_evidence_less_the_looks_does_not_grow_on_average(past: list[int]) -> None:
    """The defining property of an e-detector: the mean of the next evidence is at most the evidence plus one."""
    bounds = [limit.value for limit in limits().limits]
    typical = (0.5, bounds[0] + 0.5, bounds[1] + 0.5, bounds[2] + 0.5)
    detector = reduce(OnsetDetector.observe, [typical[level] for level in past], OnsetDetector(limits(), 1e4))
    shares = (0.5, 0.4, 0.09, 0.01)
    mean = sum(share * detector.observe(value).value for share, value in zip(shares, typical, strict=True))
    assert isclose(mean, detector.value + 1, rel_tol=1e-9)


@given(VALUES)
def test_a_failure_is_the_strongest_look(values: list[float]) -> None:
    detector = reduce(OnsetDetector.observe, values, OnsetDetector(limits(), 1e4))
    assert detector.observe(None).value >= detector.observe(2000.0).value * (1 - 1e-12)
    assert detector.observe(None).failures == 1


def test_a_change_after_a_long_quiet_time_is_found_and_a_restart_forgets_it() -> None:
    unchanged = random.Random(3).choices(ANCHOR, k=2000)
    quiet = reduce(OnsetDetector.observe, unchanged, OnsetDetector(limits(), 1e6))
    assert not quiet.is_alarm
    found = reduce(OnsetDetector.observe, [2000.0] * 8, quiet)
    assert found.is_alarm
    assert found.restarted() == OnsetDetector(limits(), 1e6)


def test_the_mean_time_to_a_false_alarm_is_at_least_the_level() -> None:
    """Of streams without a change at most n / level alarm within n looks."""
    rng = np.random.default_rng(5)
    queries, looks, level = 2000, 400, 4000.0
    rows = limit_rows([limits()] * queries)
    # The true quantiles at the limits, so that the null is as bad as it may be.
    rows[:] = (0.5, 0.9, 0.99)
    evidence, alarmed = onset_start(queries), np.zeros(queries, dtype=bool)
    for _ in range(looks):
        evidence = onset_step(evidence, rng.random(queries), rows)
        alarmed |= onset_values(evidence, rows) >= level
    share = looks / level
    assert 0 < alarmed.mean() <= share + 4 * (share * (1 - share) / queries) ** 0.5


@given(st.lists(st.lists(st.floats(0.001, 2000), min_size=3, max_size=3), max_size=40))
def test_arrays_do_what_single_tests_do(looks: list[list[float]]) -> None:
    each = [limits(700), limits(70), limits(9)]
    rows = limit_rows(each)
    singles = [OnsetDetector(one, 1e4) for one in each]
    tests = [ExceedanceTest(one) for one in each]
    evidence, passed = onset_start(3), np.zeros((3, 3), dtype=np.int64)
    for values in looks:
        array = np.array(values)
        evidence = onset_step(evidence, array, rows)
        passed += passed_rows(array, rows)
        singles = [single.observe(value) for single, value in zip(singles, values, strict=True)]
        tests = [test.observe(value) for test, value in zip(tests, values, strict=True)]
    assert onset_values(evidence, rows).tolist() == pytest.approx([single.value for single in singles])
    counts = np.full(3, len(looks))
    assert log_e_values(passed, counts, rows).tolist() == pytest.approx([test.log_e_value for test in tests], abs=1e-9)


def test_a_query_that_was_not_seen_keeps_its_evidence() -> None:
    rows = limit_rows([limits(), limits()])
    before = onset_step(onset_start(2), np.array([2000.0, 1.0]), rows)
    after = onset_step(before, np.array([np.nan, np.inf]), rows)
    assert after[0].tolist() == before[0].tolist()
    assert (after[1] > before[1]).all()
