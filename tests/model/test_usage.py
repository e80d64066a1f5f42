"""For how long no scan used an index, by what was counted at several times."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.usage import NS_PER_DAY, Sighting, Usage, unused_days

COUNTS = st.dictionaries(st.integers(1, 4), st.integers(0, 2))
LOOKS = st.lists(st.tuples(st.sampled_from("ab"), COUNTS), max_size=6)


def seen(day: float, scans: dict[int, int], counted_by: str = "a", unseen: int = 0) -> Sighting:
    return Sighting(int(day * NS_PER_DAY), Usage(counted_by, scans, unseen))


def test_one_look_says_nothing_and_two_that_agree_say_the_days_between() -> None:
    now = seen(100, {1: 0, 2: 7, 3: 4, 4: 0})
    assert unused_days(now, []) == {}
    assert unused_days(now, [seen(10, {1: 0, 2: 7, 3: 3})]) == pytest.approx({1: 90, 2: 90})


def test_a_use_between_two_looks_begins_the_time_anew() -> None:
    earlier = [seen(0, {1: 0}), seen(10, {1: 5}), seen(30, {1: 5})]
    assert unused_days(seen(50, {1: 5}), earlier) == pytest.approx({1: 40})


@pytest.mark.parametrize("between", [seen(20, {1: 0}, "b"), seen(20, {})])
def test_counters_that_began_anew_and_an_index_that_was_away_begin_it_anew(between: Sighting) -> None:
    earlier = [seen(0, {1: 0}), between, seen(30, {1: 0})]
    assert unused_days(seen(50, {1: 0}), earlier) == pytest.approx({1: 20})
    assert unused_days(seen(50, {1: 0}), [seen(0, {1: 0}), between]) == {}


def test_nothing_is_known_while_a_replica_was_not_asked() -> None:
    assert unused_days(seen(50, {1: 0}, unseen=1), [seen(0, {1: 0})]) == {}
    earlier = [seen(0, {1: 0}), seen(10, {1: 0}, unseen=1), seen(20, {1: 0})]
    assert unused_days(seen(50, {1: 0}), earlier) == pytest.approx({1: 30})


@given(LOOKS, COUNTS)
def test_each_index_is_as_if_it_were_alone_and_all_looks_since_agree(
    looks: list[tuple[str, dict[int, int]]], counts: dict[int, int]
) -> None:
    earlier = [seen(day, scans, counted_by) for day, (counted_by, scans) in enumerate(looks)]
    now = seen(len(looks), counts)
    found = unused_days(now, earlier)
    for oid, scans in counts.items():
        alone = replace(now, usage=Usage("a", {oid: scans}))
        assert unused_days(alone, earlier).get(oid) == found.get(oid)
        agreeing = 0
        for counted_by, before in reversed(looks):
            if counted_by != "a" or before.get(oid) != scans:
                break
            agreeing += 1
        assert found.get(oid, 0) == pytest.approx(agreeing)
