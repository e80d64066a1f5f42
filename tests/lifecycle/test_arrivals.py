"""Claims about when statements arrive: by the hour of the week, of the hours that were watched, and of no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from trimtab.history.slots import Slot
from trimtab.lifecycle.arrivals import HOURS, arrival_profile, watched_hours
from trimtab.lifecycle.watch_identity import store_path
from trimtab.lifecycle.watch_store import HOUR, WatchStore

IDENTITY = {"system_identifier": "7001", "database": "shop", "database_oid": 5}


def _hour(day: int, hour: int, calls: float, seconds: float = 3600.0) -> Slot:
    start = datetime(2026, 11, day, hour, tzinfo=UTC)  # the 2nd is a Monday
    counts = np.zeros((2, 6))
    counts[:, 0] = calls / 2
    return Slot(HOUR, int(start.timestamp()) * 10**9, seconds, 1.0, np.array([0, 3]), counts)


def test_hours_of_several_weeks_are_put_together_and_others_are_not_known(tmp_path: Path) -> None:
    with WatchStore.writer(store_path(tmp_path / "ledger.db", IDENTITY)) as store, store.writing():
        for slot in (_hour(2, 9, 3600.0), _hour(9, 9, 7200.0), _hour(8, 23, 900.0, seconds=1800.0)):
            store._put(slot)
    found = arrival_profile(tmp_path / "ledger.db", IDENTITY)
    assert len(found) == HOURS
    assert {place: rate for place, rate in enumerate(found) if rate is not None} == {9: 1.5, HOURS - 1: 0.5}


def test_what_was_never_watched_has_no_profile(tmp_path: Path) -> None:
    assert arrival_profile(tmp_path / "ledger.db", IDENTITY) == ()
    path = store_path(tmp_path / "ledger.db", IDENTITY)
    with WatchStore.writer(path):
        pass
    assert arrival_profile(tmp_path / "ledger.db", IDENTITY) == ()


@pytest.mark.parametrize("content", [b"", b"no store"])
def test_a_file_that_cannot_be_read_is_no_reason_to_have_no_anchor(tmp_path: Path, content: bytes) -> None:
    path = store_path(tmp_path / "ledger.db", IDENTITY)
    path.parent.mkdir()
    path.write_bytes(content)
    assert arrival_profile(tmp_path / "ledger.db", IDENTITY) == ()


def test_each_hour_in_which_a_query_ran_is_a_point_of_its_history(tmp_path: Path) -> None:
    with WatchStore.writer(store_path(tmp_path / "ledger.db", IDENTITY)) as store, store.writing():
        known = store.add_statements({(10, 77, True): ("q1", True), (11, 77, True): ("q1", True)}, 1)
        slot = _hour(2, 9, 0.0)
        counts = np.zeros((2, 6))
        counts[:, 0], counts[:, 1] = (30, 10), (60.0, 100.0)
        numbers = np.array(sorted(statement.number for statement in known.values()))
        store._put(replace(slot, numbers=numbers, counts=counts))
    [point] = watched_hours(tmp_path / "ledger.db", IDENTITY)["q1"]
    assert (point.value, point.calls) == (4.0, 40.0)
    assert point.time_ns == slot.start_ns + 3600 * 10**9
