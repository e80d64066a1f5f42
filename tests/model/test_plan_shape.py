"""Claims about shapes: literals, aliases, figures and the number of partitions do not matter; all else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.plan import Plan, PlanNode
from trimtab.model.plan_shape import PlanShape, plan_shape

PARENTS = {("public", f"event_{n}"): ("public", "event") for n in range(20)} | {
    ("public", f"event_{n}_kind"): ("public", "event_kind") for n in range(20)
}
SCAN = PlanNode(
    "Index Scan", 9.0, 0.0, 1.0, "public", "orders", "o", "orders_city", conditions={"Index Cond": "(x = 7)"}
)


def of(node: PlanNode, parents: dict[tuple[str, str], tuple[str, str]] | None = None) -> PlanShape:
    return plan_shape(Plan(node), parents)


def partition(number: int, alias: str = "event", kind: str = "Index Scan") -> PlanNode:
    index = f"event_{number}_kind" if kind == "Index Scan" else None
    return PlanNode(kind, 1.0, 0.0, 1.0, "public", f"event_{number}", alias, index, parent_relationship="Member")


def append(*children: PlanNode, kind: str = "Append") -> PlanNode:
    return PlanNode(kind, 1.0, 0.0, 1.0, children=children)


@given(
    st.lists(st.integers(0, 19), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(0, 19), min_size=1, max_size=8, unique=True),
    st.sampled_from(["Append", "MergeAppend"]),
)
def test_how_many_partitions_are_read_and_which_does_not_matter(few: list[int], many: list[int], kind: str) -> None:
    shapes = [
        of(PlanNode("Limit", 1.0, 0.0, 1.0, children=(append(*map(partition, some), kind=kind),)), PARENTS)
        for some in (few, many)
    ]
    assert shapes[0] == shapes[1]
    assert shapes[0].lines == ("Limit", "  Index Scan using event_kind on public.event")
    assert shapes[0].relations == {("public", "event")}


def test_a_plan_that_needs_no_append_has_the_shape_of_one_that_does() -> None:
    assert of(partition(3), PARENTS) == of(append(partition(1), partition(2)), PARENTS)


@given(st.integers(2, 8), st.integers(2, 8))
def test_without_knowing_parents_children_of_one_alias_are_folded(few: int, many: int) -> None:
    one, other = (append(*(partition(n, f"e_{n}") for n in range(count))) for count in (few, many))
    assert of(one) == of(other)


def test_partitions_that_are_read_otherwise_are_told_apart_whatever_their_order() -> None:
    mixed = append(partition(1), partition(2, kind="Seq Scan"))
    assert of(mixed, PARENTS) == of(append(partition(5, kind="Seq Scan"), partition(1), partition(4)), PARENTS)
    assert of(mixed, PARENTS).hash != of(append(partition(1), partition(2)), PARENTS).hash


def test_other_tables_of_a_union_are_not_folded() -> None:
    orders, returns = (
        replace(SCAN, parent_relationship="Member"),
        replace(SCAN, relation="returns", index="returns_city"),
    )
    assert of(append(orders, returns), {}).hash != of(append(orders, orders), {}).hash
    assert of(append(orders, replace(returns, alias="r"))).relations == {("public", "orders"), ("public", "returns")}


def test_an_init_plan_beside_the_members_stays() -> None:
    init = replace(SCAN, parent_relationship="InitPlan")
    assert "InitPlan" in "\n".join(of(append(init, partition(1), partition(2)), PARENTS).lines)


@given(st.text(), st.text(), st.floats(0, 1e9))
def test_literals_aliases_and_figures_do_not_matter_and_are_not_in_it(literal: str, alias: str, figure: float) -> None:
    other = replace(SCAN, alias=alias, rows=figure, total_cost=figure, conditions={"Index Cond": f"(x = {literal})"})
    assert of(other, {}) == of(SCAN, {})
    assert of(SCAN, {}).lines == ("Index Scan using orders_city on public.orders",)


@pytest.mark.parametrize(
    "changes",
    [
        {"node_type": "Seq Scan"},
        {"index": "orders_zip"},
        {"relation": "returns"},
        {"schema": "archive"},
        {"join_type": "Anti"},
        {"strategy": "Hashed"},
        {"operation": "Delete"},
        {"parent_relationship": "SubPlan"},
        {"children": (SCAN,)},
    ],
)
def test_what_a_plan_does_matters(changes: dict[str, object]) -> None:
    assert of(replace(SCAN, **changes), {}).hash != of(SCAN, {}).hash  # type: ignore[arg-type]


def test_the_index_of_a_bitmap_is_folded_by_the_schema_of_its_heap_scan() -> None:
    bitmaps = [
        PlanNode(
            "Bitmap Heap Scan", 1.0, 0.0, 1.0, "public", f"event_{n}", f"event_{n}", parent_relationship="Member",
            children=(PlanNode("Bitmap Index Scan", 1.0, 0.0, 1.0, index=f"event_{n}_kind"),),
        )
        for n in (1, 2)
    ]  # fmt: skip
    shape = of(append(*bitmaps), PARENTS)
    assert shape.lines == ("Bitmap Heap Scan on public.event", "  Bitmap Index Scan using event_kind")
    assert of(append(*bitmaps)).lines == ("Bitmap Heap Scan *", "  Bitmap Index Scan using *")
