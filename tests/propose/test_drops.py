"""Which indexes are needless, and which of two goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.catalog import ForeignKey, Index
from trimtab.model.change import DropIndex
from trimtab.propose.drops import propose

from .catalogue import LIMITS, context, index, table


def dropped(
    *indexes: Index, foreign_keys: tuple[ForeignKey, ...] = (), must_keep: tuple[str, ...] = ()
) -> dict[str, object]:
    """Return the names of the indexes that are to go, each with its stand-in."""
    limits = replace(LIMITS, must_keep=frozenset(("public", name) for name in must_keep))
    found = propose(replace(context(table("t", "abcd", *indexes, foreign_keys=foreign_keys)), limits=limits))
    names: dict[str, object] = {}
    for strategy in found:
        [change] = strategy.changes
        assert isinstance(change, DropIndex)
        names[change.name] = strategy.evidence["covered_by"]
    return names


def test_of_two_duplicates_the_less_used_goes() -> None:
    assert dropped(index("one", "a", scans=5), index("two", "a", scans=9)) == {"one": "two"}


def test_an_index_that_must_be_kept_stays_and_another_goes_instead() -> None:
    indexes = index("one", "a", scans=5), index("two", "a", scans=9)
    assert dropped(*indexes, must_keep=("one",)) == {"two": "one"}
    assert dropped(*indexes, must_keep=("one", "two")) == {}


def test_of_two_duplicates_the_one_goes_that_its_definition_puts_back() -> None:
    with_comment = replace(index("two", "a"), has_more=True)
    assert dropped(index("one", "a", scans=5), with_comment) == {"one": "two"}
    assert dropped(replace(index("one", "a"), has_more=True), with_comment) == {}


def test_of_two_duplicates_that_are_used_alike_the_later_name_goes_in_any_order() -> None:
    first, second = index("t_a_idx", "a"), index("t_a_idx1", "a")
    assert dropped(first, second) == dropped(second, first) == {"t_a_idx1": "t_a_idx"}


def test_the_beginning_of_a_longer_index_goes_and_the_stand_in_is_one_that_stays() -> None:
    indexes = index("a", "a"), index("ab", "a", "b"), index("abc", "a", "b", "c"), index("b", "b")
    assert dropped(*indexes) == {"a": "abc", "ab": "abc"}


def test_included_columns_must_be_held_as_well() -> None:
    assert dropped(index("one", "a", include=("c",)), index("two", "a", "b")) == {}
    assert dropped(index("one", "a", include=("b",)), index("two", "a", "b")) == {"one": "two"}
    assert dropped(index("one", "a"), index("two", "a", include=("b",))) == {"one": "two"}


@pytest.mark.parametrize(
    "fields",
    [
        {"is_unique": True},
        {"is_primary": True},
        {"constraint": "t_excl"},
        {"is_replica_identity": True},
        {"is_clustered": True},
        {"has_more": True},
        {"is_partial": True},
        {"has_expressions": True},
        {"is_valid": False},
        {"tail": None},
    ],
)
def test_what_is_kept_for_more_than_reads_or_is_not_plain_never_goes(fields: dict[str, Any]) -> None:
    kept = replace(index("one", "a"), **fields)
    assert "one" not in dropped(kept, index("two", "a", "b"))


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "hash"},
        {"key_options": (3,)},
        {"operator_classes": (1979,)},
        {"collations": (100,)},
        {"is_partial": True},
        {"has_expressions": True},
        {"is_valid": False},
    ],
)
def test_an_index_that_serves_other_queries_is_no_stand_in(fields: dict[str, Any]) -> None:
    assert dropped(index("one", "a", scans=1), replace(index("two", "a", scans=2), **fields)) == {}


def test_the_index_of_a_constraint_can_be_the_stand_in() -> None:
    primary = replace(index("t_pkey", "a", "b", is_unique=True), is_primary=True, constraint="t_pkey")
    assert dropped(index("one", "a"), primary) == {"one": "t_pkey"}


@pytest.mark.parametrize("method", ["hash", "gin", "gist", "brin"])
def test_other_methods_are_needless_only_as_exact_duplicates(method: str) -> None:
    one = index("one", "a", method=method)
    assert dropped(one, index("two", "a", method=method)) == {"two": "one"}
    assert dropped(one, index("two", "a", "b", method=method)) == {}
    other = index("two", "a", method=method)
    assert dropped(one, replace(other, tail=f"{other.tail} WITH (fillfactor=70)")) == {}


@pytest.mark.parametrize("field", ["is_partial", "has_expressions"])
def test_over_a_part_of_the_rows_or_over_expressions_an_index_is_needless_only_as_an_exact_duplicate(
    field: str,
) -> None:
    def special(name: str, tail: str) -> Index:
        return replace(index(name, "a"), tail=tail, **{field: True})  # type: ignore[arg-type]

    tail = "USING btree (lower(a)) WHERE (b IS NULL)"
    one, two = special("one", tail), special("two", tail)
    assert dropped(one, two) == {"two": "one"}
    assert dropped(one, special("two", "USING btree (lower(a), b) WHERE (b IS NULL)")) == {}
    assert dropped(one, replace(index("two", "a"), tail=tail)) == {}
    assert dropped(one, replace(two, is_valid=False)) == {}
    assert dropped(replace(one, is_unique=True), two) == {"two": "one"}


def test_what_serves_a_foreign_key_goes_only_for_one_that_serves_it_too() -> None:
    key = (ForeignKey("t_a_fkey", ("a",), "public", "other"),)
    assert dropped(index("one", "a"), index("two", "b", "a"), foreign_keys=key) == {}
    assert dropped(index("one", "a"), index("two", "a", "b"), foreign_keys=key) == {"one": "two"}


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True), max_size=7), st.randoms())
def test_each_key_list_is_still_served_and_the_order_of_the_catalog_does_not_matter(
    key_lists: list[list[str]], random: Any
) -> None:
    indexes = [index(f"i{number}", *keys) for number, keys in enumerate(key_lists)]
    gone = dropped(*indexes)
    staying = [i for i in indexes if i.name not in gone]
    for keys in key_lists:
        assert any(list(i.key_columns[: len(keys)]) == keys for i in staying)
    for one in staying:
        others = [i for i in staying if i is not one]
        assert not any(i.key_columns[: len(one.key_columns)] == one.key_columns for i in others)
    random.shuffle(indexes)
    assert dropped(*indexes) == gone


def test_the_change_can_put_the_index_back() -> None:
    proposed = propose(context(table("t", "ab", index("one", "a", size_bytes=7), index("two", "a", "b"))))
    [strategy] = proposed
    [change] = strategy.changes
    assert isinstance(change, DropIndex)
    assert (change.table, change.tail, change.key_columns) == ("t", "USING btree (a)", ("a",))
    assert strategy.size_bytes == -7
    assert strategy.evidence["case"] == "redundant"


def idle(*indexes: Index, foreign_keys: tuple[ForeignKey, ...] = (), must_keep: tuple[str, ...] = ()) -> set[str]:
    """Return the names of the indexes that are to go because nobody used them for 90 days."""
    kept = frozenset(("public", name) for name in must_keep)
    limits = replace(LIMITS, min_unused_days=90.0, must_keep=kept)
    found = propose(replace(context(table("t", "abcd", *indexes, foreign_keys=foreign_keys)), limits=limits))
    changes = [change for strategy in found if strategy.evidence["case"] == "unused" for change in strategy.changes]
    return {change.name for change in changes if isinstance(change, DropIndex)}


def test_what_nobody_used_for_long_enough_goes() -> None:
    old = replace(index("old", "a"), unused_days=90.0)
    part = replace(index("part", "b"), is_partial=True, unused_days=400.0)
    assert idle(old, part, replace(index("new", "c"), unused_days=89.0), index("used", "d")) == {"old", "part"}
    assert idle(old, part, must_keep=("old",)) == {"part"}


def test_an_unused_index_stays_where_more_than_scans_needs_it() -> None:
    old = replace(index("old", "b", "a"), unused_days=400.0)
    assert idle(old) == {"old"}
    assert idle(old, foreign_keys=(ForeignKey("f", ("a", "b"), "public", "u"),)) == set()
    for field in ("is_unique", "is_primary", "is_replica_identity", "is_clustered", "has_expressions", "has_more"):
        assert idle(replace(old, **{field: True})) == set(), field  # type: ignore[arg-type]
    assert idle(replace(old, is_valid=False)) == idle(replace(old, tail=None)) == set()


def test_an_index_is_proposed_for_one_reason_only() -> None:
    old = replace(index("one", "a"), unused_days=400.0)
    assert dropped(old, index("two", "a", scans=9)) == {"one": "two"}
    assert idle(old, index("two", "a", scans=9)) == set()
