"""The small language of rules: what is refused before any library reads it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.spec.expression_text import MAX_BYTES, ExpressionError, facts_named
from trimtab.spec.fact_names import FACTS, declared_types

TYPES = declared_types()


def test_the_facts_of_an_expression_are_told_once_and_in_order() -> None:
    text = "table.rows > 5 && change.kind == 'create_index' && table.rows < 9"
    assert facts_named(text, TYPES) == ("table.rows", "change.kind")


@pytest.mark.parametrize(
    "text",
    [
        "size(change.key_columns) <= 3",
        "change.key_columns.all(c, c != 'ssn' && !c.startsWith('pii_'))",
        "change.table.matches('^(orders|payments)$')",
        "matches(change.table, '^o')",
        "timestamp(now_unix).getHours() < 5",
        "change.name == 'it\\'s'",
        "change.columns.exists(c, change.key_columns.exists_one(k, k == c))",
        "change.kind in ['create_index', 'drop_index']",
        "table.rows_is_known && double(table.rows) * 0.1 > 5.0",
    ],
)
def test_what_rules_need_can_be_said(text: str) -> None:
    assert facts_named(text, TYPES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" \n", "empty"),
        ("'" + "x" * MAX_BYTES + "' == ''", "longer"),
        ("+".join(["1"] * 300) + " > 0", "words and marks"),
        ("(" * 13 + "true" + ")" * 13, "nested"),
        ("[" * 13 + "]" * 13 + " == []", "nested"),
        ("(true", "bracket"),
        (")true(", "bracket"),
        ("change.columns.map(c, c + c) == []", "calls map"),
        ("change.columns.filter(c, true) == []", "calls filter"),
        ("['a'].all(c, true)", "something else than a list of the facts"),
        ("(change.columns + change.columns).all(c, true)", "something else than a list of the facts"),
        ("change.table.all(c, true)", "something else than a list of the facts"),
        ("change.columns.all(change, true)", "which facts have"),
        ("change.columns.all(a, change.columns.all(b, change.columns.all(c, true)))", "within one another"),
        (" && ".join(["change.columns.all(a, true)"] * 7), "more than 6 times"),
        ("change.columns.all(1, true)", "without naming"),
        ("change.columns.all(a, change.columns.all(b, a.matches('x')))", "within two lists"),
        ("change.columns.all(a, change.columns.all(b, matches(a, 'x')))", "within two lists"),
        ("change.table.matches(change.schema)", "pattern that is written out"),
        ("matches(change.table, change.schema + 'x')", "pattern that is written out"),
        ("change.table.matches('(a{30}){30}')", "repeats by number"),
        ("change.table.matches('" + "a" * 250 + "')", "longer than 200"),
        ("timestamp(now_unix).getHours('Europe/Berlin') < 5", "time zone"),
        ("true // && false", "comment"),
        ("dyn(1) == 'x'", "calls dyn"),
        ("type(1) == int", "calls type"),
        ("bytes('x') == bytes('y')", "calls bytes"),
        ("has(change.kind)", "calls has"),
        ("{'a': 1}.a == 1", "do not use"),
        ("r'a' == 'a'", "names r"),
        ("b'a' == b'a'", "names b"),
        ('"""a""" == "a"', "directly behind"),
        ("change.columns.all(r, r'a' == r)", "directly behind"),
        ("change.name == '\\x41'", "do not use"),
        ("change.name == 'a\u202eb'", "cannot be seen"),
        ("change.n\u0430me == 'x'", "do not use"),
        ("1e9 > 2.0", "do not use"),
        ("0x1F > 2", "do not use"),
        ("change . kind == 'x'", "names change"),
        ("tables.rows > 1", "no fact"),
        ("c == 'x' || change.columns.all(c, true)", "no fact"),
        ("true ? false : true; true", "do not use"),
        ("change.columns.all(c, true", "bracket"),
    ],
)
def test_what_could_cost_without_an_end_or_hide_is_refused(text: str, found: str) -> None:
    with pytest.raises(ExpressionError, match=found):
        facts_named(text, TYPES)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ExpressionError):
        facts_named(text, TYPES)


def test_every_fact_has_one_name_and_says_what_it_means() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS)
    assert all(fact.meaning for fact in FACTS)
