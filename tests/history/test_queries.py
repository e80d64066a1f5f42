"""Pages of queries add up what statements did, in the order that is asked for, and say what is on no page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import UsageError
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement, Label
from trimtab.history.queries import life_series, page_of
from trimtab.history.reading import History
from trimtab.history.slots import Slot
from trimtab.history.store import HistoryStore
from trimtab.history.tiers import RAW, SECOND_NS
from trimtab.history.values import QUERY_SORTS, QueryPage, Window

BEGIN_NS = 1_790_000_000 * SECOND_NS
WINDOW = Window(BEGIN_NS, BEGIN_NS + 60 * SECOND_NS)


def statement(number: int, name: str, text: str = "", *, is_workload: bool = True, first: int = 0) -> KnownStatement:
    return KnownStatement(number, (10, number, True), name, text, is_workload, BEGIN_NS + first, BEGIN_NS + number)


def counted(calls: float, total_ms: float, squares: float = 0.0, rows: float = 0.0) -> list[float]:
    return [calls, total_ms, squares, rows, 2 * rows, 0.0]


def slot(at: int, counts: Mapping[int, list[float]]) -> Slot:
    numbers = np.array(sorted(counts), dtype=np.int64)
    rows = np.array([counts[number] for number in sorted(counts)]).reshape(len(counts), 6)
    return Slot(RAW, BEGIN_NS + at * 10 * SECOND_NS, 10.0, 1.0, numbers, rows)


KNOWN = {
    1: statement(1, "qa", "SELECT a FROM t", first=5),
    2: statement(2, "qa", "SELECT a FROM t", first=3),
    3: statement(3, "qb", "SELECT b FROM Things"),
    4: statement(4, "", is_workload=True),
    5: statement(5, "qown", "SELECT ours", is_workload=False),
}
SLOTS = (
    slot(0, {0: counted(7, 70), 1: counted(2, 20, 250, 6), 2: counted(2, 60, 2000), 3: counted(10, 10, 12)}),
    slot(1, {1: counted(1, 10, 100), 4: counted(5, 40, 400), 5: counted(3, 33)}),
)


def page(
    slots: Iterable[Slot] = SLOTS, *, sort: str = "total_ms", limit: int = 50, offset: int = 0, search: str = "",
    is_workload: bool | None = True, known: Mapping[int, KnownStatement] = KNOWN,
) -> QueryPage:  # fmt: skip
    def labels(numbers: Iterable[int]) -> Mapping[int, Label]:
        return {number: known[number].label for number in numbers if number in known}

    def whole(numbers: Iterable[int]) -> Mapping[int, KnownStatement]:
        return {number: known[number] for number in numbers if number in known}

    return page_of(
        "shop", WINDOW, tuple(slots), labels, whole,
        sort=sort, limit=limit, offset=offset, search=search, is_workload=is_workload,
    )  # fmt: skip


def test_statements_of_one_id_are_one_query_whatever_their_roles() -> None:
    found = page()
    assert [each.query_id for each in found.queries] == ["qa", "statement 4", "qb"]
    first = found.queries[0]
    assert (first.calls, first.total_ms, first.mean_ms, first.rows) == (5.0, 90.0, 18.0, 6.0)
    assert first.deviation_ms == pytest.approx((2350 / 5 - 18.0**2) ** 0.5)
    assert (first.text, first.first_ns, first.seen_ns) == ("SELECT a FROM t", BEGIN_NS + 3, BEGIN_NS + 2)
    assert first.share == pytest.approx(90 / 210)  # what is not kept one by one is of the workload too


def test_what_is_not_kept_one_by_one_is_the_rest_and_what_is_not_the_workloads_is_told_beside() -> None:
    found = page(limit=1)
    assert found.total == 3
    assert found.rest is not None
    assert (found.rest.query_id, found.rest.calls, found.rest.total_ms) == ("rest", 7.0, 70.0)
    assert found.other_ms == 33.0
    [own] = page(is_workload=False).queries
    assert (own.query_id, own.is_workload) == ("qown", False)
    assert page(is_workload=None).total == 4


@pytest.mark.parametrize("sort", QUERY_SORTS)
def test_a_page_is_in_its_order_and_goes_on_where_the_one_before_ended(sort: str) -> None:
    everything = page(sort=sort, is_workload=None).queries
    values = [getattr(each, sort) for each in everything]
    assert values == sorted(values, reverse=True)
    pages = [page(sort=sort, is_workload=None, limit=1, offset=at).queries for at in range(len(everything))]
    assert [each for one in pages for each in one] == list(everything)


def test_what_did_not_run_has_no_mean_and_comes_last() -> None:
    found = page((slot(0, {1: counted(0, 0, 0, 4), 3: counted(1, 1, 1)}),), sort="mean_ms").queries
    assert [(each.query_id, each.mean_ms) for each in found] == [("qb", 1.0), ("qa", None)]


@pytest.mark.parametrize(
    ("search", "ids"),
    [("things", ["qb"]), ("QA", ["qa"]), ("select from t", ["qa", "qb"]), ("none", []), ("statement", ["statement 4"])],
)  # fmt: skip
def test_words_are_looked_for_in_texts_and_ids(search: str, ids: list[str]) -> None:
    found = page(search=search)
    assert (sorted(each.query_id for each in found.queries), found.total) == (ids, len(ids))


def test_nothing_that_ran_is_an_empty_page() -> None:
    for slots in ((), (slot(0, {}),)):
        found = page(slots, search="a")
        assert (found.queries, found.total, found.rest, found.other_ms) == ([], 0, None, 0.0)


@given(st.lists(st.dictionaries(st.integers(0, 6), st.floats(0, 1e6), max_size=7), max_size=4))
def test_queries_rest_and_others_are_all_that_ran(parts: list[dict[int, float]]) -> None:
    slots = [slot(at, {n: counted(1, ms) for n, ms in part.items()}) for at, part in enumerate(parts)]
    found = page(slots, is_workload=None)
    told = sum(each.total_ms for each in found.queries) + (found.rest.total_ms if found.rest is not None else 0.0)
    assert told == pytest.approx(sum(ms for part in parts for ms in part.values()))


def test_a_store_tells_the_page_of_thousands_of_statements(store: HistoryStore) -> None:
    count = 1234
    with store.writing() as connection:
        server = store.server_id(connection, ServerFacts("shop"))
        known = [statement(n, f"q{n}", f"SELECT {n % 7} FROM t{n}") for n in range(count)]
        numbers = sorted(store.add_statements(connection, server, known).values())
        store.add_slot(connection, server, slot(0, {n: counted(1, float(n)) for n in numbers}))
    history = History(store, clock=lambda: WINDOW.end_ns)
    found = history.top_queries("shop", WINDOW, limit=2)
    assert (found.total, [each.total_ms for each in found.queries]) == (count, [float(count), float(count - 1)])
    assert found.queries[0].text == f"SELECT {(count - 1) % 7} FROM t{count - 1}"
    assert history.top_queries("shop", WINDOW, search="from t77").total == 11  # t77 and t770 to t779
    assert history.facts("shop").name == "shop"
    with pytest.raises(UsageError) as refused:
        history.facts("nobody")
    assert refused.value.code == "history.no_server"


def test_one_query_over_time_is_the_sum_of_its_statements_in_each_stretch() -> None:
    known = [KNOWN[1], KNOWN[2]]
    totals, series = life_series("qa", known, SLOTS[::-1], WINDOW, ())
    assert (totals.calls, totals.total_ms) == (5.0, 90.0)
    assert [point.value for point in series["calls_per_second"].points] == [0.4, 0.1]
    assert [point.value for point in series["mean_ms"].points] == [20.0, 10.0]
    nothing, empty = life_series("qa", known, (), WINDOW, ())
    assert (nothing.calls, empty["mean_ms"].points) == (0.0, ())
