"""What a condition asks of one relation, and in which words an index would hold it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db.conditions import conditions, order_terms
from trimtab.db.definitions import read_definition


def _short(expression: str) -> list[str]:
    return [f"{c.alias}: {c.operand} {c.operator} {c.against} [{c.predicate or ''}]" for c in conditions(expression)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(t.a = 1)", ["t: a = constant [a = 1]"]),
        ("(t.a = $1)", ["t: a = parameter []"]),
        ("('5'::bigint > t.a)", ["t: a < constant ['5'::bigint > a]"]),
        ("(a.x = lower(b.y))", ["a: x = relation []", "b: lower(y) = relation []"]),
        ("((t.a IS NULL) AND (NOT t.b))", ["t: a is null constant [a IS NULL]", "t: b is false constant [NOT b]"]),
        ('(lower(("T x"."E m")::text) = \'x.y\'::text)',
         ["T x: lower(\"E m\"::text) = constant [lower(\"E m\"::text) = 'x.y'::text]"]),
        ("(t.x = (InitPlan 1).col1)", ["t: x = parameter []"]),
        ("(ANY (t.x = (hashed SubPlan 2).col1))", []),
        ("((t.a = 1) OR (t.b = 2))", ["t: a = 1 OR b = 2 or constant [a = 1 OR b = 2]"]),
        ("((t.a = 1) OR (t.b = $1))", []),
        ("((t.a = 1) OR (u.b = 2))", []),
        ("(t.* IS NOT NULL)", []),
        ("(t.d <= CURRENT_DATE)", ["t: d <= parameter []"]),
        ("(t.tags @> '{1}'::integer[])", ["t: tags @> constant [tags @> '{1}'::int[]]"]),
        ("no SQL )(", []),
    ],
)  # fmt: skip
def test_each_form_says_what_it_asks(expression: str, expected: list[str]) -> None:
    assert _short(expression) == expected


def test_an_order_is_that_of_one_relation_in_its_own_direction() -> None:
    found = order_terms("lower(t.a) DESC")
    assert found is not None
    assert (found.alias, found.operand, found.is_descending, found.is_nulls_first) == ("t", "lower(a)", True, True)
    assert order_terms("(a.x + b.y)") is None
    assert order_terms("t.a USING ~<~") is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_left_never_a_fault(text: str) -> None:
    conditions(text)
    order_terms(text)
    read_definition(text)
    read_definition("USING btree (" + text)
