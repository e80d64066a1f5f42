"""Which bloated indexes are proposed for rebuilding, and which are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from trimtab.model.catalog import Index, Table
from trimtab.model.change import CreateIndex, RebuildIndex
from trimtab.model.strategy import Strategy
from trimtab.propose.rebuilds import propose

from .catalogue import LIMITS, MIB, NoPlanner, context, index, table

BOUNDED = replace(LIMITS, max_rebuild_bytes=1000 * MIB, min_excess_bytes=10 * MIB, min_excess_share=0.4)


class Sizes(NoPlanner):
    """Gives each new index the size that was agreed on for its definition; None where it has none."""

    def __init__(self, **by_key: int) -> None:
        self.by_key = by_key
        self.asked: list[str] = []

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        self.asked += [change.tail for change in changes]
        return [self.by_key.get(change.tail.split("(")[1].rstrip(")")) for change in changes]


def proposed(*tables: Table, sizes: Sizes, **limits: Any) -> list[Strategy]:
    given = replace(context(*tables), what_if=sizes, limits=replace(BOUNDED, **limits))
    return propose(given)


def names(found: Sequence[Strategy]) -> list[str]:
    return [change.name for strategy in found for change in strategy.changes if isinstance(change, RebuildIndex)]


def one(name: str = "t_a", key: str = "a", size: int = 100, **fields: Any) -> Index:
    return replace(index(name, key, size_bytes=size * MIB), oid=17, **fields)


def test_a_bloated_index_is_proposed_with_what_it_holds_and_a_new_one_would() -> None:
    [strategy] = proposed(table("t", "ab", one()), sizes=Sizes(a=30 * MIB))
    assert strategy.changes == (RebuildIndex("public", "t", "t_a", 17),)
    assert strategy.size_bytes == -70 * MIB
    assert strategy.evidence == {"held_bytes.t_a": 100 * MIB, "size_bytes.t_a": 30 * MIB, "excess_share": 0.7}
    assert (strategy.title, strategy.proposer) == ("rebuild index public.t_a", "rebuilds")
    assert "104,857,600 bytes" in strategy.reason


def test_what_frees_most_comes_first() -> None:
    indexes = one("t_a", "a", 100), one("t_b", "b", 300)
    assert names(proposed(table("t", "ab", *indexes), sizes=Sizes(a=10 * MIB, b=100 * MIB))) == ["t_b", "t_a"]


@pytest.mark.parametrize(
    ("size", "new", "is_proposed"),
    [
        (100, 60, True),
        (100, 61, False),
        (16, 5, True),
        (16, 7, False),
        (9, 0, False),
        (1000, 1, True),
        (1001, 1, False),
    ],
)
def test_both_floors_and_the_limit_of_size_hold(size: int, new: int, is_proposed: bool) -> None:
    found = proposed(table("t", "ab", one(size=size)), sizes=Sizes(a=new * MIB))
    assert bool(found) is is_proposed


@pytest.mark.parametrize("fields", [{"is_valid": False}, {"is_exclusion": True}, {"tail": None}])
def test_what_cannot_be_rebuilt_or_estimated_is_not_even_asked_about(fields: dict[str, Any]) -> None:
    sizes = Sizes(a=1)
    assert proposed(table("t", "ab", one(**fields)), sizes=sizes) == []
    assert sizes.asked == []


def test_an_index_whose_new_size_is_unknown_is_left_alone() -> None:
    assert proposed(table("t", "ab", one()), sizes=Sizes()) == []


@pytest.mark.parametrize("fields", [{"is_unique": True}, {"is_primary": True, "constraint": "t_a"}])
def test_what_guards_the_data_is_rebuilt_like_any_other(fields: dict[str, Any]) -> None:
    assert names(proposed(table("t", "ab", one(**fields)), sizes=Sizes(a=1))) == ["t_a"]


def test_a_partitioned_table_as_a_whole_is_left_alone() -> None:
    assert proposed(table("t", "ab", one(), kind="p"), sizes=Sizes(a=1)) == []


def test_what_is_to_be_dropped_is_not_rebuilt_and_what_stays_is() -> None:
    twins = one("t_a", "a", scans=9), one("t_a_again", "a")
    assert names(proposed(table("t", "ab", *twins), sizes=Sizes(a=1))) == ["t_a"]
    both = proposed(table("t", "ab", *twins), sizes=Sizes(a=1), wants_drops=False)
    assert sorted(names(both)) == ["t_a", "t_a_again"]


def test_a_specification_that_allows_none_asks_for_no_estimate() -> None:
    sizes = Sizes(a=1)
    assert proposed(table("t", "ab", one()), sizes=sizes, max_rebuild_bytes=0) == []
    assert sizes.asked == []
