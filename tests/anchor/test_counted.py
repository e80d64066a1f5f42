"""Claims about what was counted between two readings: counters that began anew are told, and never differenced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimtab.anchor.counted import LEAST_PARTS, Parts, counted_between, parts_of, since_then, with_deviations
from trimtab.model.anchor import Counted
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


@pytest.mark.parametrize(("since", "counted"), [("", None), ("then", 4)])
def test_what_was_forgotten_is_told_and_nothing_differenced_where_nobody_knows_which(
    since: str, counted: int | None
) -> None:
    begin, end = (
        Counters("r", {key: Counter(n, 2.0 * n, 4.0 * n, since) for key in keys}, evictions)
        for n, keys, evictions in ((10, (A, B), 3), (14, (A,), 5))
    )
    found = counted_between(begin, end, QUERIES)
    assert {query_id: c.calls for query_id, c in found.by_query.items()} == ({} if counted is None else {"a": counted})
    assert found.begun_anew == (2 if counted is None else 1)
    assert found.evictions == 5
    assert dict(parts_of([begin, end], QUERIES)) == ({} if counted is None else {"a": [(4.0, 0.0)]})


@pytest.mark.parametrize(
    ("since", "calls"),
    [(("x", "y"), 5), (("x", "y", "new"), 5), (("x", "anew"), None), (("anew",), 15)],
)
def test_counters_that_were_reset_one_by_one_are_not_taken_for_those_of_before(
    since: tuple[str, ...], calls: int | None
) -> None:
    was = Counted(("1",), 10, 2.0, 0.0, 1.0, 1.0, 1.0, 0.0, since=("x", "y"))
    found = since_then(was, replace(was, calls=15, mean_ms=4.0, since=since))
    assert (found and found.calls) == calls
    assert calls != 15 or (found and found.mean_ms) == 4.0


def test_counters_that_begin_from_nothing_count_whole() -> None:
    found = counted_between(_counters(""), _counters("", a=3), QUERIES)
    assert found.by_query["a"].calls == 3


def test_the_scatter_of_one_calls_blocks_is_told_by_parts_of_the_window() -> None:
    rng = np.random.default_rng(4)
    parts: Parts = {"a": [(n, float(rng.normal(40.0, 8.0, n).sum())) for n in rng.integers(50, 200, 400).tolist()]}
    window = counted_between(_counters("r"), _counters("r", a=9, b=9), QUERIES)
    found = with_deviations(window, {**parts, "b": parts["a"][: LEAST_PARTS - 1], "gone": parts["a"]})
    assert found.by_query["a"].blocks_deviation == pytest.approx(8.0, rel=0.1)
    assert found.by_query["a"].blocks_parts == 400
    assert found.by_query["b"] == window.by_query["b"], "too few parts say nothing"
    # Calls that are like their neighbours are worth fewer.
    drifting: Parts = {"a": [(100.0, 100.0 * (40.0 + n)) for n in range(20)]}
    assert (with_deviations(window, drifting).by_query["a"].blocks_deviation or 0.0) > 50


def test_parts_are_those_between_readings_that_can_be_differenced() -> None:
    readings = [_counters("r", a=n, b=9 - n) for n in range(4)]
    assert dict(parts_of([*readings, _counters("s", a=9)], QUERIES)) == {"a": [(1.0, 0.0)] * 3}
