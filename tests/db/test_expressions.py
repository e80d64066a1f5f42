"""Expressions as EXPLAIN VERBOSE prints them, written down from real plans and printed by real servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db import expressions
from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.db.sql import ColumnUse, column_reference, expression_columns, sort_key
from trimtab.model.workload import Query, QueryKind


def _short(expression: str) -> list[str]:
    """Return `role alias.column[ other alias.other column]`, with `!` before what is negated."""
    shown = []
    for use in expression_columns(expression):
        other = "" if use.other_alias is None else f" {use.other_alias}.{use.other_column or '?'}"
        shown.append(f"{'!' if use.is_negated else ''}{use.role} {use.alias}.{use.column}{other}")
    return shown


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "((l.l_shipdate >= '1994-01-01'::date) AND (l.l_quantity < '24'::numeric) AND (l.l_tax = $1))",
            ["range l.l_shipdate", "range l.l_quantity", "equality l.l_tax"],
        ),
        (
            "(l1.l_orderkey = orders.o_orderkey)",
            ["join l1.l_orderkey orders.o_orderkey", "join orders.o_orderkey l1.l_orderkey"],
        ),
        ("(a.x < b.y)", ["range a.x b.y", "range b.y a.x"]),
        ("(a.x = (b.y + 1))", ["join a.x b.?", "other b.y"]),
        ("(a.x = (a.y + b.z))", ["other a.x", "other a.y", "other b.z"]),
        ("('5'::bigint > t.a)", ["range t.a"]),
        ("(t.id = ANY ('{1,2}'::integer[]))", ["equality t.id"]),
        ("(t.id <> ALL ('{1,2}'::integer[]))", ["!other t.id"]),
        ("(t.id > ANY ('{1,2}'::integer[]))", ["other t.id"]),
        ("((t.name)::text = ANY ((ARRAY['a'::character varying, u.b])::text[]))", ["join t.name u.?", "other u.b"]),
        ("((c.name)::text = 'x'::text)", ["equality c.name"]),
        ("((t.a)::integer = 4)", ["other t.a"]),
        ("t.flag", ["equality t.flag"]),
        ("(NOT t.flag)", ["!equality t.flag"]),
        ("(t.flag IS TRUE)", ["equality t.flag"]),
        ("(t.flag IS NOT TRUE)", ["other t.flag"]),
        ("((t.a IS NULL) AND (t.b IS NOT NULL))", ["null_test t.a", "!null_test t.b"]),
        ("((t.a = 1) OR (t.b = 2))", ["other t.a", "other t.b"]),
        ("(NOT (t.a = 1))", ["!other t.a"]),
        ("((t.a)::text ~~ 'x%'::text)", ["other t.a"]),
        ("(lower(t.a) = 'x'::text)", ["other t.a"]),
        ("(t.d <= (CURRENT_DATE - '1 day'::interval))", ["range t.d"]),
        ("(t.d = ((now() AT TIME ZONE 'UTC'::text))::date)", ["equality t.d"]),
        ("(ROW(t.a, t.b) > ROW(1, 2))", ["other t.a", "other t.b"]),
        ('("T x"."c.y" = 3)', ["equality T x.c.y"]),
        ("(hashed SubPlan 1)", []),
        ("(NOT (hashed SubPlan 1))", []),
        ("((t.a > 1) AND (alternatives: SubPlan 1 or hashed SubPlan 2))", ["range t.a"]),
        ("((t.x = (InitPlan 1).col1) AND (t.y = $0))", ["equality t.x", "equality t.y"]),
        ("((t.x < (SubPlan 1)) AND EXISTS(SubPlan 2))", ["range t.x"]),
        ("(ANY (t.x = (hashed SubPlan 2).col1))", ["other t.x"]),
        ("(NOT (ANY (t.x = (SubPlan 2).col1)))", ["!other t.x"]),
        ("(t.a = (ARRAY(SubPlan 1))[1])", ["equality t.a"]),
        ("(t.x = (InitPlan expr_1).col1)", ["equality t.x"]),
        ("(t.x = 'in (SubPlan 1) it''s'::text)", ["equality t.x"]),
        ("PARTIAL sum((l.x * ('1'::numeric - l.y)))", ["other l.x", "other l.y"]),
        ("count(*) OVER (?)", []),
        ("sum(t.a) OVER w1", ["other t.a"]),
        ("count(*) FILTER (WHERE (t.a > 1))", ["other t.a"]),
        ("(t.*)::t", []),
        ("CASE WHEN (t.a = 1) THEN t.b ELSE 'u.v'::text END", ["other t.a", "other t.b"]),
        ('this is t.a no \'u.b\' SQL )( "X"."y" f.g(', ["other t.a", "other X.y"]),
        ("", []),
    ],
)
def test_each_form_has_its_role(expression: str, expected: list[str]) -> None:
    assert _short(expression) == expected


def test_an_answer_is_a_value_that_can_be_shared() -> None:
    uses = expression_columns("(t.a = 1)")
    assert uses == (ColumnUse("t", "a", "equality"),)
    assert hash(uses) == hash(expression_columns("(t.a = 2)"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("orders.o_orderdate DESC NULLS LAST", ("orders", "o_orderdate", True, False)),
        ("t.a", ("t", "a", False, False)),
        ("t.a DESC", ("t", "a", True, True)),
        ("t.a NULLS FIRST", ("t", "a", False, True)),
        ("(t.a) DESC", ("t", "a", True, True)),
        ('"T x"."c "" y"', ("T x", 'c " y', False, False)),
        ("größe.maß", ("größe", "maß", False, False)),
        ("(sum((l.x))) DESC", None),
        ('n.name COLLATE "C"', None),
        ("t.a USING ~<~", None),
        ("(t.a).b", None),
        ("'x'::text", None),
    ],
)
def test_a_sort_key_is_a_column_in_its_own_order_or_nothing(text: str, key: tuple[str, str, bool, bool] | None) -> None:
    assert sort_key(text) == key
    has_order = any(word in text for word in ("DESC", "NULLS"))
    assert column_reference(text) == (None if key is None or has_order else key[:2])


_QUERIES = (
    "SELECT kind, count(*) FROM shipment s WHERE day >= '2024-02-01' AND day < '2024-03-01'"
    " GROUP BY kind ORDER BY 2 DESC",
    "SELECT * FROM shipment s WHERE id IN (SELECT id + 1 FROM shipment WHERE kind = 'rare')",
    "SELECT * FROM shipment s WHERE id NOT IN (SELECT id FROM shipment WHERE kind = 'rare') AND amount > 5",
    "SELECT * FROM shipment s WHERE amount > (SELECT avg(amount) FROM shipment t WHERE t.kind = s.kind) OR is_open",
    "SELECT * FROM shipment s WHERE amount > (SELECT avg(amount) FROM shipment) AND NOT is_open AND tags IS NOT NULL",
    "SELECT * FROM shipment s WHERE EXISTS (SELECT 1 FROM shipment t WHERE t.id = s.id + 1 AND t.day <> s.day)"
    " OR id = 3",
    "SELECT sum(amount) OVER (PARTITION BY kind ORDER BY day), ARRAY(SELECT 1 FROM shipment t WHERE t.id = s.id)"
    " FROM shipment s",
    "SELECT id FROM shipment WHERE extract(year FROM day) = 2024 AND kind LIKE 'r%' AND tags[1] = 5"
    " AND id = ANY ('{1,2}')",
    "SELECT a.id, b.kind FROM shipment a"
    " LEFT JOIN shipment b ON a.id = b.id AND b.amount < a.amount WHERE b.id IS NULL",
    "SELECT (id, kind) < (5, 'x'), CASE WHEN is_open THEN day END, amount::text || kind, s"
    " FROM shipment s WHERE (id, kind)"
    " IN (SELECT id, kind FROM shipment OFFSET 1)",
    "SELECT count(*) FILTER (WHERE is_open), string_agg(kind, ',' ORDER BY day DESC) FROM shipment HAVING sum(id) > 3",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9)"
    " SELECT * FROM r JOIN shipment ON id = n",
    "SELECT * FROM shipment WHERE (kind, day) = (SELECT kind, max(day) FROM shipment t GROUP BY kind LIMIT 1)",
    "SELECT * FROM shipment WHERE id < ALL (SELECT id FROM shipment WHERE kind = 'rare' OFFSET 0)",
    "SELECT x.* FROM shipment s, unnest(s.tags) WITH ORDINALITY AS x(v, n), (VALUES (1), (2)) AS c(v) WHERE c.v = x.v",
    "INSERT INTO shipment (id, kind) SELECT id + 100000, upper(kind) FROM shipment WHERE id < 4 ON CONFLICT DO NOTHING",
    "UPDATE shipment s SET kind = t.kind FROM shipment t WHERE t.id = s.id + 1"
    " AND s.day BETWEEN '2024-02-01' AND '2024-02-03'",
)


@pytest.mark.parametrize(
    "settings", [{}, {"parallel_setup_cost": "0", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0"}]
)
def test_what_real_servers_print_is_parsed(conn: Connection, settings: dict[str, str]) -> None:
    for text in _QUERIES:
        plan = explain(conn, Query("q", "q", text, text, 1.0, QueryKind.READ), settings=settings)
        for node in plan.root.walk():
            for printed in (*node.conditions.values(), *(key for keys in node.keys.values() for key in keys)):
                is_plain = sort_key(printed) is not None or " USING " in printed
                assert is_plain or expressions.tree_of(printed.removesuffix(" DESC")) is not None, printed


@given(
    st.text()
    | st.lists(st.sampled_from(["t.a", "(", ")", "=", "AND", "'x'", "SubPlan 1", "ANY ", "NOT", ",", ";"])).map(
        " ".join
    )
)
def test_any_text_gets_an_answer(expression: str) -> None:
    for use in expression_columns(expression):
        assert use.alias
        assert use.column
    sort_key(expression)
    column_reference(expression)
