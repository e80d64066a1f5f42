"""Pages hold every item once and in order, whatever their size; calls are let through at the rate that was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from trimtab.errors import HeldError, UsageError
from trimtab.mcp.bounds import Bounds, Flood, refuse_large
from trimtab.mcp.caller import Caller, calling
from trimtab.mcp.paging import offset_of, page


class Item(BaseModel):
    text: str


@given(st.lists(st.integers(0, 60_000), max_size=30), st.integers(1, 7))
def test_pages_together_are_the_list(sizes: list[int], limit: int) -> None:
    items = [Item(text=f"{number}" + "x" * size) for number, size in enumerate(sizes)]
    found: list[Item] = []
    cursor: str | None = None
    for _ in range(len(items) + 1):
        shown, cursor = page(items, lambda item: item, of="a list", cursor=cursor, limit=limit)
        assert len(shown) <= limit
        assert len(shown) == 1 or sum(len(each.text) for each in shown) < 100_000
        found += shown
        if cursor is None:
            break
    assert found == items


@given(st.text(max_size=300))
def test_a_cursor_that_was_not_given_out_is_refused_or_a_place_in_the_list(cursor: str) -> None:
    try:
        assert offset_of(cursor, "a list") >= 0
    except UsageError as refusal:
        assert refusal.code == "mcp.cursor"  # noqa: PT017 - either is right


def test_a_cursor_of_another_list_is_refused() -> None:
    items = [Item(text="a"), Item(text="b")]
    _, cursor = page(items, lambda item: item, of="one", cursor=None, limit=1)
    with pytest.raises(UsageError) as refusal:
        page(items, lambda item: item, of="other", cursor=cursor, limit=1)
    assert refusal.value.code == "mcp.cursor"


@given(st.lists(st.floats(0, 2), max_size=80))
def test_no_more_calls_than_the_burst_and_the_rate_allow(waits: list[float]) -> None:
    now, passed = 0.0, 0
    flood = Flood(Bounds(calls_per_second=2.0, burst=5), lambda: now)
    for wait in waits:
        now += wait
        try:
            with flood.call():
                passed += 1
        except HeldError as refusal:
            assert refusal.code == "mcp.rate"  # noqa: PT017 - the other way is to pass
    assert passed <= 5 + 2.0 * now + 1e-6
    assert passed >= min(len(waits), 5)


def test_calls_and_long_runs_are_counted_while_they_run() -> None:
    flood = Flood(Bounds(calls=1, jobs=1), lambda: 0.0)
    with flood.call(), flood.job():
        with pytest.raises(HeldError, match="calls"), flood.call():
            pass
        with pytest.raises(HeldError, match="long runs"), flood.job():
            pass
    with flood.call(), flood.job():
        pass


def test_each_client_has_its_share_and_one_that_takes_it_all_leaves_some_to_others() -> None:
    flood = Flood(Bounds(calls=2, all_calls=3, jobs=1, all_jobs=2, burst=3, calls_per_second=1.0), lambda: 0.0)
    with calling(Caller("loud")):
        with flood.call(), flood.call(), flood.job():
            with pytest.raises(HeldError, match="of yours") as refusal, flood.call():
                pass
            assert refusal.value.code == "mcp.busy"
            with calling(Caller("quiet")), flood.call(), flood.job():
                with pytest.raises(HeldError, match="all clients"), calling(Caller("third")), flood.call():
                    pass
                with pytest.raises(HeldError, match="all clients"), calling(Caller("third")), flood.job():
                    pass
        with pytest.raises(HeldError) as refusal, flood.call():
            pass
        assert refusal.value.code == "mcp.rate"
    with calling(Caller("quiet")), flood.call():
        pass


def test_what_is_too_large_is_refused_by_whose_it_is() -> None:
    bounds = Bounds(answer_bytes=10, question_bytes=5)
    refuse_large(10, bounds, is_answer=True)
    for size, is_answer, code in ((11, True, "mcp.answer_size"), (6, False, "mcp.question_size")):
        with pytest.raises(UsageError) as refusal:
            refuse_large(size, bounds, is_answer=is_answer)
        assert refusal.value.code == code
