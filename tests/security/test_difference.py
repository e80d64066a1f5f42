"""Claims about differences: none is lost, none is set off against another, and unknown is never harmless."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.security.catalogue import ITEMS, item
from trimtab.security.difference import Effect, compare, counted_as_weakened
from trimtab.security.rules import RULES
from trimtab.security.snapshot import Attribute, Row, SecuritySnapshot

EMPTY = SecuritySnapshot("d", 1, "1", 180006, "r", 1, {})

values: st.SearchStrategy[Attribute] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.lists(st.text(max_size=5), unique=True).map(lambda v: tuple(sorted(v))),
)
names = st.sampled_from(
    (
        "value",
        "owner",
        "enabled",
        "privileges",
        "is_superuser",
        "definition",
        "new_attribute",
        "version",
        "kind",
        "setting",
    )
)
rows: st.SearchStrategy[Row] = st.dictionaries(names, values, max_size=4)
sections = st.dictionaries(st.sampled_from([*sorted(set(RULES) - {"server"}), "new_section"]),
                           st.dictionaries(st.text(max_size=4), rows, max_size=3), max_size=3)  # fmt: skip


def _snapshot(found: dict[str, dict[str, Row]]) -> SecuritySnapshot:
    return replace(EMPTY, sections=found)


@given(sections, sections)
def test_there_is_a_difference_exactly_where_the_digests_differ(
    before: dict[str, dict[str, Row]], after: dict[str, dict[str, Row]]
) -> None:
    old, new = _snapshot(before), _snapshot(after)
    assert (compare(old, new) == ()) == (old.digest == new.digest)


@given(sections, sections)
def test_every_row_that_differs_is_told_of_and_every_code_is_known(
    before: dict[str, dict[str, Row]], after: dict[str, dict[str, Row]]
) -> None:
    found = compare(_snapshot(before), _snapshot(after))
    told = {(each.section, each.key) for each in found}
    for section in before.keys() & after.keys():
        for key in before[section].keys() | after[section].keys():
            if before[section].get(key) != after[section].get(key):
                assert (section, key) in told
    assert all(item(each.code) for each in found)


@given(sections)
def test_a_section_or_an_attribute_that_no_rule_knows_is_unknown(found: dict[str, dict[str, Row]]) -> None:
    old = _snapshot({"roles": {"a": {"never_heard_of": "x"}}, "new_section": {"k": {}}})
    new = _snapshot({"roles": {"a": {"never_heard_of": "y"}}, "new_section": {"k": {"v": "1"}}})
    assert {(each.code, each.effect) for each in compare(old, new)} == {
        ("posture.other", Effect.UNKNOWN),
        ("posture.section", Effect.UNKNOWN),
    }


def test_what_is_strengthened_does_not_pay_for_what_is_weakened() -> None:
    old = _snapshot({"settings": {"fsync": {"value": "on"}, "ssl": {"value": "off"}}})
    new = _snapshot({"settings": {"fsync": {"value": "off"}, "ssl": {"value": "on"}}})
    found = compare(old, new)
    assert {each.code: each.effect for each in found} == {
        "posture.fsync": Effect.WEAKENED,
        "posture.tls": Effect.STRENGTHENED,
    }
    assert [each.code for each in counted_as_weakened(found)] == ["posture.fsync"]


def test_a_list_that_gains_and_loses_is_two_differences() -> None:
    grant: Row = {"kind": "relation", "object": '"public"."t"', "is_public": False}
    table: Row = {"kind": "r"}
    old = _snapshot({"relations": {'"public"."t"': table}, "grants": {"g": {**grant, "privileges": ("SELECT",)}}})
    new = _snapshot({"relations": {'"public"."t"': table}, "grants": {"g": {**grant, "privileges": ("UPDATE",)}}})
    assert [each.effect for each in compare(old, new)] == [Effect.WEAKENED, Effect.STRENGTHENED]


@pytest.mark.parametrize("effect", Effect)
def test_unknown_counts_as_weakened_and_only_that_beside_it(effect: Effect) -> None:
    assert effect.counts_as_weakened == (effect in (Effect.WEAKENED, Effect.UNKNOWN))


def test_what_goes_with_its_table_is_neutral_and_what_goes_alone_is_not() -> None:
    constraint: Row = {"table": '"public"."t"', "kind": "c"}
    whole = _snapshot({"relations": {'"public"."t"': {"kind": "r"}}, "constraints": {"c": constraint}})
    without_both = _snapshot({"relations": {}, "constraints": {}})
    without_it = _snapshot({"relations": {'"public"."t"': {"kind": "r"}}, "constraints": {}})
    assert counted_as_weakened(compare(whole, without_both)) == ()
    assert [each.code for each in counted_as_weakened(compare(whole, without_it))] == ["posture.constraint"]


def test_a_new_table_of_somebody_elses_is_neutral() -> None:
    table: Row = {"kind": "r", "persistence": "p", "row_security": False}
    new = _snapshot({"relations": {'"public"."new"': table}, "grants": {}})
    assert counted_as_weakened(compare(_snapshot({"relations": {}, "grants": {}}), new)) == ()


def test_codes_are_unique_and_every_item_says_what_it_is() -> None:
    assert len({each.code for each in ITEMS}) == len(ITEMS)
    assert all(each.what for each in ITEMS)
