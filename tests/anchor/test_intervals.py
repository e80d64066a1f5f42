"""Claims about two readings: what is differenced, and what is never."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trimtab.anchor.intervals import interval_between
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import CALLS, TOTAL_MS, Gap, Instance, Interval, Reading

SECOND = 10**9
A, B, C = [(10, number, True) for number in (1, 2, 3)]
WAS = Instance(180004, 1000.0, False, 5000.0, 1 << 30, 1, "7", 1, "r", 4)


def _reading(seconds: float, counts: dict[StatementKey, tuple[float, float]], **instance: Any) -> Reading:
    table = np.array([[calls, total, total**2 / calls, 0, 0, 0] for calls, total in counts.values()]).reshape(-1, 6)
    since = np.full(len(counts), 4000.0)
    at = replace(WAS, clock=WAS.clock + seconds)
    return Reading(replace(at, **instance), int((100 + seconds) * SECOND), 50.0 + seconds, tuple(counts), table, since)


BEFORE = _reading(0, {A: (10, 100.0), B: (5, 5.0)})


def _ran(after: Reading, before: Reading = BEFORE) -> Interval:
    found = interval_between(before, after)
    assert isinstance(found, Interval), found
    return found


def test_what_ran_is_the_difference_of_those_that_ran() -> None:
    found = _ran(_reading(10, {A: (14, 180.0), B: (5, 5.0)}))
    assert (found.keys, found.seconds, found.begun_anew) == ((A,), 10.0, 0)
    assert found.counts[0, CALLS] == 4
    assert found.counts[0, TOTAL_MS] == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("instance", "gap"),
    [
        ({"reset": "s"}, Gap.RESET),
        ({"started_at": 4999.0}, Gap.RESTARTED),
        ({"timeline": 2}, Gap.FAILED_OVER),
        ({"is_standby": True}, Gap.FAILED_OVER),
        ({"system_identifier": "8"}, Gap.FAILED_OVER),
        ({"wal_bytes": 1 << 29}, Gap.FAILED_OVER),
        ({"version": 180005}, Gap.UPGRADED),
        ({"clock": 9000.0}, Gap.CLOCK_STEPPED),
        ({"clock": 4000.0}, Gap.CLOCK_STEPPED),
    ],
)
def test_nothing_is_differenced_across(instance: dict[str, Any], gap: Gap) -> None:
    assert interval_between(BEFORE, _reading(10, {A: (14, 180.0)}, **instance)) is gap


def test_a_step_of_our_clock_is_a_gap_and_so_is_a_long_time() -> None:
    after = _reading(10, {A: (14, 180.0)})
    assert interval_between(BEFORE, replace(after, wall_ns=after.wall_ns + 60 * SECOND)) is Gap.CLOCK_STEPPED
    assert interval_between(BEFORE, _reading(3601, {A: (14, 180.0)})) is Gap.TOO_LONG


def test_after_a_restart_of_ours_the_servers_clock_counts() -> None:
    found = _ran(_reading(30, {A: (14, 180.0)}), replace(BEFORE, tick=None))
    assert found.seconds == pytest.approx(30.0)


def test_a_statement_that_went_backwards_or_began_anew_is_left_out_alone() -> None:
    after = _reading(10, {A: (3, 30.0), B: (9, 9.0)})
    found = _ran(after)
    assert (found.keys, found.begun_anew) == ((B,), 1)
    # More calls than before, and yet another count: it was forgotten and has come back.
    anew = replace(_reading(10, {A: (14, 180.0), B: (9, 9.0)}), since=np.array([5005.0, 4000.0]))
    found = _ran(anew)
    assert (found.keys, found.begun_anew) == ((B,), 1)


def test_a_new_statement_counts_whole_only_when_it_began_after_the_first_reading() -> None:
    after = _reading(10, {A: (10, 100.0), B: (5, 5.0), C: (7, 70.0)})
    assert _ran(after).keys == ()
    found = _ran(replace(after, since=np.array([4000.0, 4000.0, 5004.0])))
    assert found.keys == (C,)
    assert found.counts[0, CALLS] == 7


def test_without_since_an_eviction_is_a_gap_and_a_new_statement_counts_whole_without_one() -> None:
    before = replace(BEFORE, since=np.zeros(2))
    after = replace(_reading(10, {A: (14, 180.0), B: (5, 5.0), C: (7, 70.0)}), since=np.zeros(3))
    assert set(_ran(after, before).keys) == {A, C}
    evicted = replace(after, instance=replace(after.instance, evictions=5))
    assert interval_between(before, evicted) is Gap.EVICTED


@pytest.mark.parametrize("silent", [{"reset": "", "evictions": None}, {}], ids=["1.8", "1.10"])
def test_where_nobody_tells_since_when_each_is_counted_the_counters_themselves_show_it(silent: dict[str, Any]) -> None:
    before = replace(_reading(0, {A: (10, 100.0), B: (5, 5.0)}, **silent), since=np.zeros(2))

    def after(counts: dict[StatementKey, tuple[float, float]]) -> Interval | Gap:
        return interval_between(before, replace(_reading(10, counts, **silent), since=np.zeros(len(counts))))

    grown = after({A: (14, 180.0), B: (5, 5.0), C: (7, 70.0)})
    assert isinstance(grown, Interval)
    assert set(grown.keys) == {A, C}
    assert after({A: (14, 180.0), C: (7, 70.0)}) is Gap.EVICTED  # B was forgotten; A may have come back
    assert after({A: (14, 180.0), B: (2, 2.0)}) is Gap.EVICTED
    assert after({A: (3, 30.0), B: (2, 2.0)}) is Gap.RESET
    assert after({C: (7, 70.0)}) is Gap.RESET
