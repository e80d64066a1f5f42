"""A watcher's file over clocks that are set: what is told twice is kept twice, and counts once each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trimtab.lifecycle import watch_store
from trimtab.lifecycle.watch_store import HOUR, KEPT_SLOTS, LENGTH_NS, MINUTE, ROUND, WatchStore
from trimtab.model.watched import Interval

SECOND = 10**9
HOURS = 3600
NOON = 1_790_000_000 - 1_790_000_000 % 86_400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WatchStore]:
    with WatchStore.writer(tmp_path / "watch" / "shop.db") as opened:
        yield opened


def watch(store: WatchStore, begin: int, end: int) -> None:
    """Add a round every twenty seconds of one call a second, as a watcher does: each when it is over."""
    with store.writing():
        for second in range(begin, end, 20):
            store.set_aside((NOON + second + 20) * SECOND)
            store.add_round(Interval((NOON + second) * SECOND, 20.0, 1.0, ((10, 1, True),), np.full((1, 6), 20.0)), [1])


def step(store: WatchStore, second: int) -> None:
    """Read at that time after a clock was set: nothing is counted across it."""
    with store.writing():
        store.set_aside((NOON + second) * SECOND)


def calls(store: WatchStore, tier: int, begin: int = -86_400, end: int = 10 * 86_400) -> float:
    """Return how many calls a tier tells of, which is for how many seconds it was watched."""
    found = [slot for slot in store.slots(tier) if begin <= slot.start_ns / SECOND - NOON < end]
    assert sum(slot.seconds for slot in found) == sum(float(slot.counts[:, 0].sum()) for slot in found)
    return sum(slot.seconds for slot in found)


@pytest.mark.parametrize(
    ("until", "back_to"),
    [
        (12 * 60 + 40, 12 * 60 + 20),  # within a minute
        (10 * 60, 9 * 60 + 40),  # over the end of a minute
        (50 * 60, 30 * 60),  # within an hour
        (HOURS + 600, HOURS - 600),  # over the end of an hour
        (3 * HOURS + 600, 600),
        (26 * HOURS, 3 * HOURS),
    ],
)
def test_what_comes_after_a_clock_was_set_back_is_rolled_up_at_once_and_all_counts_once(
    store: WatchStore, until: int, back_to: int
) -> None:
    watch(store, 0, until)
    step(store, back_to)
    watch(store, back_to, back_to + 300)
    new = [slot for slot in store.slots(MINUTE) if slot.start_ns % LENGTH_NS[MINUTE] == 0]
    assert max(slot.start_ns for slot in new) == (NOON + back_to + 300 - (back_to + 300) % 60 - 60) * SECOND
    # On, until a whole hour after all that was there.
    end = until - until % HOURS + 2 * HOURS
    watch(store, back_to + 300, end)
    forgotten = min(until - back_to, until % 60)  # rounds of later that were in no minute yet
    assert calls(store, HOUR) == until + end - back_to - forgotten


def test_a_clock_that_is_set_back_again_and_again_over_the_same_time(store: WatchStore) -> None:
    watch(store, 0, HOURS + 600)
    for _ in range(3):
        step(store, HOURS - 600)
        watch(store, HOURS - 600, HOURS + 600)
    watch(store, HOURS + 600, 2 * HOURS)
    assert calls(store, HOUR) == 2 * HOURS + 3 * 1200


def test_rounds_are_never_of_later_and_those_before_stay(store: WatchStore) -> None:
    watch(store, 0, HOURS)
    step(store, HOURS - 1200)
    assert calls(store, ROUND) == HOURS - 1200
    watch(store, HOURS - 1200, HOURS - 1000)
    assert calls(store, ROUND) == HOURS - 1000


def test_a_clock_that_was_ahead_for_a_while_keeps_nothing_from_being_rolled_up(store: WatchStore) -> None:
    watch(store, 0, 600)
    watch(store, 5 * 86_400, 5 * 86_400 + 600)
    step(store, 600)
    watch(store, 600, HOURS)
    assert calls(store, MINUTE, 0, HOURS) == HOURS
    assert calls(store, HOUR, 0, HOURS) == HOURS
    assert calls(store, MINUTE) == HOURS + 600, "and what was told of later is there until there is no room"


def test_what_is_farthest_makes_room(store: WatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_store, "KEPT_SLOTS", {**KEPT_SLOTS, MINUTE: 90})
    watch(store, 0, HOURS + 1800)
    step(store, HOURS + 600)
    watch(store, HOURS + 600, HOURS + 1200)
    assert calls(store, MINUTE, HOURS) == 1800 + 600, "of the same hour, told first and again"
    watch(store, HOURS + 1200, 2 * HOURS)
    assert calls(store, HOUR) == 2 * HOURS + 1200


def test_what_is_counted_again_after_a_death_is_not_what_was_set_aside(store: WatchStore) -> None:
    watch(store, 0, HOURS + 600)
    step(store, HOURS - 600)
    watch(store, HOURS - 600, HOURS - 300)
    since = (NOON + HOURS - 360) * SECOND
    with store.writing():
        store.forget_slots(since, since + 120 * SECOND)
    watch(store, HOURS - 360, 2 * HOURS)
    assert calls(store, HOUR) == 2 * HOURS + 1200
