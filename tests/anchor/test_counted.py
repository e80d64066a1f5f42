"""Claims about what was counted between two readings: counters that began anew are told, and never differenced."""

from __future__ import annotations

import pytest

from trimtab.anchor.counted import counted_between
from trimtab.model.traffic import Counter, Counters, StatementKey

A, B = [(10, number, True) for number in (1, 2)]
QUERIES = {A: "a", B: "b"}


def _counters(reset: str, **calls: int) -> Counters:
    keys: dict[str, StatementKey] = {"a": A, "b": B}
    return Counters(reset, {keys[name]: Counter(n, 2.0 * n, 4.0 * n) for name, n in calls.items()})


def test_what_ran_in_between_is_the_difference() -> None:
    found = counted_between(_counters("r", a=10, b=5), _counters("r", a=14, b=5), QUERIES)
    assert {query_id: counted.calls for query_id, counted in found.by_query.items()} == {"a": 4}
    assert found.begun_anew == 0


@pytest.mark.parametrize("last", [{"a": 14, "b": 2}, {"a": 14}])
def test_where_resets_are_not_told_one_smaller_counter_makes_all_of_them_unknown(last: dict[str, int]) -> None:
    told = counted_between(_counters("r", a=10, b=5), _counters("r", **last), QUERIES)
    assert told.by_query["a"].calls == 4
    silent = counted_between(_counters("", a=10, b=5), _counters("", **last), QUERIES)
    assert (dict(silent.by_query), silent.begun_anew) == ({}, 2)


def test_counters_that_begin_from_nothing_count_whole() -> None:
    found = counted_between(_counters(""), _counters("", a=3), QUERIES)
    assert found.by_query["a"].calls == 3
