"""Extended statistics from misjudged rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.catalog import StatisticsObject, Table
from trimtab.model.change import CreateStatistics
from trimtab.model.plan import PlanNode
from trimtab.propose.statistics import propose

from .catalogue import column, context, node, scan, table

BOTH = "((t.a = 1) AND (t.b = 2))"
TABLE = table("t", "abcdef")


def proposed(*tables: Table, **plans: PlanNode) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    found = [change for strategy in propose(context(*tables, plans=plans)) for change in strategy.changes]
    assert all(isinstance(change, CreateStatistics) and len(change.name.encode()) <= 63 for change in found)
    return [(change.columns, change.kinds) for change in found if isinstance(change, CreateStatistics)]


def grouped(keys: tuple[str, ...], below: PlanNode, *, rows: float, actual: float) -> PlanNode:
    return replace(node("Aggregate", below, rows=rows, actual=actual), keys={"Group Key": keys})


def test_columns_that_go_together_are_measured_together() -> None:
    assert proposed(TABLE, q=scan("t", BOTH, rows=10, actual=1000)) == [(("a", "b"), ("dependencies", "mcv"))]


def test_the_title_names_the_schema_unless_it_is_public() -> None:
    read = scan("t", BOTH, rows=10, actual=1000)
    tables = (TABLE, replace(TABLE, schema="app"))
    found = propose(context(*tables, plans={"q": read, "r": replace(read, schema="app")}))
    assert [strategy.title for strategy in found] == ["statistics on app.t (a, b)", "statistics on t (a, b)"]


@pytest.mark.parametrize(("rows", "actual"), [(250, 1000), (1000, 250), (1, 99), (99, 1)])
def test_small_errors_and_few_rows_are_no_reason(rows: float, actual: float) -> None:
    assert proposed(TABLE, q=scan("t", BOTH, rows=rows, actual=actual)) == []


def test_few_rows_in_many_loops_are_many() -> None:
    assert proposed(TABLE, q=replace(scan("t", BOTH, rows=1, actual=20), loops=50.0)) != []


def test_a_plan_that_was_not_run_says_nothing() -> None:
    assert proposed(TABLE, q=scan("t", BOTH, rows=1)) == []


def test_one_column_is_no_group_and_a_boolean_counts() -> None:
    assert proposed(TABLE, q=scan("t", "((t.a = 1) AND (t.b > 2))", rows=1, actual=1000)) == []
    assert proposed(TABLE, q=scan("t", "((t.a = 1) AND (NOT t.b))", rows=1, actual=1000))[0][0] == ("a", "b")


def test_fewer_rows_below_a_limit_mean_only_that_it_had_enough() -> None:
    few = scan("t", BOTH, rows=5000, actual=10)
    assert proposed(TABLE, q=node("Limit", few)) == []
    assert proposed(TABLE, q=node("Merge Join", few, few)) == []
    assert proposed(TABLE, q=replace(node("Nested Loop", few, few), join_type="Semi")) == []
    assert proposed(TABLE, q=node("Limit", node("Sort", few))) != []
    assert proposed(TABLE, q=node("Limit", scan("t", BOTH, rows=10, actual=5000))) != []


def test_groups_that_were_misjudged_ask_for_their_distinct_values() -> None:
    plan = grouped(("t.a", "t.b"), scan("t", rows=9000, actual=9000), rows=9000, actual=300)
    assert proposed(TABLE, q=plan) == [(("a", "b"), ("ndistinct",))]


def test_groups_are_not_blamed_for_their_input_or_for_having() -> None:
    wrong_input = grouped(("t.a", "t.b"), scan("t", rows=9000, actual=300), rows=9000, actual=300)
    assert proposed(TABLE, q=wrong_input) == []
    plan = grouped(("t.a", "t.b"), scan("t", rows=9000, actual=9000), rows=9000, actual=300)
    assert proposed(TABLE, q=replace(plan, conditions={"Filter": "(count(*) > 1)"})) == []


def test_grouping_by_an_expression_or_by_one_column_of_each_table_is_left_alone() -> None:
    below = node("Hash Join", scan("t"), scan("u"), rows=9000, actual=9000)
    other = table("u", "ab")
    assert proposed(TABLE, other, q=grouped(("t.a", "u.a"), below, rows=9000, actual=300)) == []
    assert proposed(TABLE, other, q=grouped(("t.a", "(t.b + 1)"), below, rows=9000, actual=300)) == []
    assert proposed(TABLE, other, q=grouped(("u.a", "t.b", "t.a"), below, rows=9000, actual=300)) == [
        (("a", "b"), ("ndistinct",))
    ]


def known(*objects: tuple[str, tuple[str, ...]]) -> Table:
    held = tuple(StatisticsObject("public", f"s{n}", tuple(c), kinds) for n, (c, kinds) in enumerate(objects))
    return table("t", "abcdef", statistics=held)


def test_what_is_known_is_not_proposed_again() -> None:
    plan = scan("t", BOTH, rows=10, actual=1000)
    assert proposed(known(("ab", ("dependencies", "mcv"))), q=plan) == []
    assert proposed(known(("abc", ("dependencies", "mcv", "ndistinct"))), q=plan) == []
    assert proposed(known(("ab", ("dependencies",)), ("ba", ("mcv",))), q=plan) == []
    assert proposed(known(("ab", ("mcv",))), q=plan) == [(("a", "b"), ("dependencies",))]
    assert proposed(known(("ac", ("dependencies", "mcv"))), q=plan) == [(("a", "b"), ("dependencies", "mcv"))]


def test_queries_that_suffer_alike_share_one_object_and_the_worst_comes_first() -> None:
    plans = {
        "q": scan("t", BOTH, rows=10, actual=1000),
        "r": scan("t", BOTH, rows=10, actual=2000),
        "s": scan("t", "((t.c = 1) AND (t.d = 1))", rows=10, actual=9000),
    }
    first, second = propose(context(TABLE, plans=plans))
    assert first.query_ids == ("s",)
    assert (second.query_ids, second.evidence["factor"]) == (("q", "r"), 200.0)


def test_more_columns_than_allowed_are_cut_and_those_without_an_order_refused() -> None:
    many = " AND ".join(f"(t.{name} = 1)" for name in "abcdef")
    assert proposed(TABLE, q=scan("t", f"({many})", rows=1, actual=1000))[0][0] == ("a", "b", "c", "d")
    odd = table("t", [column("a"), column("b", "point", has_order=False)])
    assert proposed(odd, q=scan("t", BOTH, rows=1, actual=1000)) == []


@pytest.mark.parametrize(("kind", "count"), [("r", 1), ("m", 1), ("p", 0), ("f", 0)])
def test_only_what_has_statistics_of_its_own_gets_some(kind: str, count: int) -> None:
    assert len(proposed(table("t", "ab", kind=kind), q=scan("t", BOTH, rows=1, actual=1000))) == count


def test_an_unknown_table_gets_none() -> None:
    assert proposed(q=scan("t", BOTH, rows=1, actual=1000)) == []
