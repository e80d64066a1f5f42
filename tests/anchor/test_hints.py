"""A plan is said in hints by its aliases and indexes; what they cannot say is told. SQL is held to documentation."""

from __future__ import annotations

import pytest

from trimtab.anchor.hints import MOST_ADVICE_BYTES, Hints, hints_of, is_keyed_by_id, stash_statements, table_statements
from trimtab.model.plan import PlanNode


def node(node_type: str, *children: PlanNode, alias: str | None = None, **fields: str) -> PlanNode:
    relation = fields.pop("relation", alias if "Scan" in node_type else None)
    return PlanNode(node_type, 1.0, 0.0, 1.0, relation=relation, alias=alias, children=children, **fields)  # type: ignore[arg-type]


ORDERS = node("Index Scan", alias="o", relation="orders", index="orders_city")
CUSTOMER = node("Seq Scan", alias="c", relation="customer")
ITEM = node("Bitmap Heap Scan", node("Bitmap Index Scan", index="item_order"), alias="i", relation="item")


def _lines(root: PlanNode) -> list[str]:
    return hints_of(root).text.splitlines()


def test_scans_joins_and_their_order_are_said() -> None:
    joined = node("Hash Join", node("Nested Loop", ORDERS, ITEM), node("Hash", CUSTOMER))
    assert _lines(node("Limit", node("Sort", joined))) == [
        'IndexScan("o" "orders_city")',
        'BitmapScan("i" "item_order")',
        'NestLoop("o" "i")',
        'SeqScan("c")',
        'HashJoin("o" "i" "c")',
        'Leading((("o" "i") "c"))',
    ]
    assert hints_of(joined).left_out == ()


def test_what_an_inner_side_remembers_is_said() -> None:
    assert 'Memoize("c" "o")' in _lines(node("Nested Loop", CUSTOMER, node("Memoize", ORDERS)))


def test_names_are_quoted_whatever_is_in_them() -> None:
    odd = node("Index Scan", alias='a" b)', relation="t", index="(x")
    assert _lines(node("Merge Join", odd, CUSTOMER)) == [
        'IndexScan("a"" b)" "(x")',
        'SeqScan("c")',
        'MergeJoin("a"" b)" "c")',
        'Leading(("a"" b)" "c"))',
    ]


def test_each_block_of_a_statement_has_its_own_order() -> None:
    below = node("Nested Loop", ITEM, CUSTOMER, parent_relationship="SubPlan")
    assert _lines(node("Aggregate", below, node("Seq Scan", alias="o"))) == [
        'BitmapScan("i" "item_order")',
        'SeqScan("c")',
        'NestLoop("i" "c")',
        'Leading(("i" "c"))',
        'SeqScan("o")',
    ]


@pytest.mark.parametrize(
    ("root", "told"),
    [
        (node("Gather", node("Seq Scan", alias="o")), "how many workers it has"),
        (node("Append", node("Seq Scan", alias="event_1")), "what is under Append"),
        (node("Seq Scan", alias="orders_1", relation="orders"), "orders_1: EXPLAIN numbers a name"),
        (node("Nested Loop", ORDERS, node("Result")), "a Nested Loop over what has no name"),
    ],
)
def test_what_hints_cannot_say_is_told(root: PlanNode, told: str) -> None:
    assert any(told in each for each in hints_of(root).left_out)


@pytest.mark.parametrize(("version", "is_by_id"), [("1.3.9", False), ("1.6.1", False), ("1.7.0", True), ("1.10", True)])
def test_the_hint_table_is_keyed_by_query_id_from_1_7_on(version: str, is_by_id: bool) -> None:
    assert is_keyed_by_id(version) is is_by_id


def test_a_row_of_the_hint_table_is_put_and_taken_by_the_key_of_its_version() -> None:
    hints = Hints('SeqScan("o")')
    put, take = table_statements("1.7.1", -77, "SELECT $1", hints, "app")
    assert put.text == "INSERT INTO hint_plan.hints (query_id, application_name, hints) VALUES ($1, $2, $3)"
    assert take.text == "DELETE FROM hint_plan.hints WHERE query_id = $1 AND application_name = $2 AND hints = $3"
    assert put.values == take.values == (-77, "app", 'SeqScan("o")')
    put, _ = table_statements("1.6.0", -77, 'SELECT "a$1" FROM t$2 WHERE a = $1 AND b = $12', hints)
    assert "(norm_query_string, " in put.text
    assert put.values[0] == 'SELECT "a$1" FROM t$2 WHERE a = ? AND b = ?'
    with pytest.raises(ValueError, match="version"):
        is_keyed_by_id("devel")


def test_advice_is_stashed_and_removed_by_query_id_and_long_lists_are_refused() -> None:
    put, take = stash_statements(5, "SEQ_SCAN(o)")
    assert put.text == take.text == "SELECT pg_set_stashed_advice($1::text, $2::bigint, $3::text)"
    assert (put.values, take.values) == (("trimtab", 5, "SEQ_SCAN(o)"), ("trimtab", 5, None))
    for advice in (" ", "x" * (MOST_ADVICE_BYTES + 1)):
        with pytest.raises(ValueError, match="advice"):
            stash_statements(5, advice)
