"""A plan read from EXPLAIN's text says the same as its tree, whatever names and literals are in it."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.plan import Plan, PlanNode

NAMES = st.text(min_size=1) | st.sampled_from(['"Index Name": "x"', '"Total Cost": 1.0', "\\", '\\"', "Index Name"])
NODES = st.recursive(
    st.fixed_dictionaries(
        {"Node Type": st.just("Index Scan"), "Index Name": NAMES, "Alias": NAMES, "Startup Cost": st.just(0.0),
         "Total Cost": st.floats(0, 1e12), "Plan Rows": st.integers(0, 10**9), "Filter": NAMES}
    ),
    lambda nodes: st.fixed_dictionaries(
        {"Node Type": st.just("Append"), "Output": st.lists(NAMES, max_size=3), "Startup Cost": st.just(0.0),
         "Total Cost": st.floats(0, 1e12), "Plan Rows": st.integers(0, 10**9),
         "Plans": st.lists(nodes, min_size=1, max_size=3)}
    ),
    max_leaves=8,
)  # fmt: skip


def _children_last(node: Any) -> dict[str, object]:
    """As PostgreSQL writes it."""
    own = {key: value for key, value in node.items() if key != "Plans"}
    return own | ({"Plans": [_children_last(child) for child in node["Plans"]]} if "Plans" in node else {})


@given(NODES, st.none() | st.floats(0, 1e6))
def test_what_is_read_from_the_text_is_what_the_tree_says(node: dict[str, object], planning: float | None) -> None:
    node = _children_last(node)
    document = {"Plan": node} if planning is None else {"Plan": node, "Planning Time": planning}
    text = json.dumps([document], indent=2, ensure_ascii=False)
    plan = Plan.unread(text)
    cost, indexes = plan.cost, plan.indexes
    assert cost == plan.root.total_cost
    assert indexes == {n.index for n in plan.root.walk() if n.index}
    assert plan.planning_ms == planning
    assert plan == Plan(plan.root, planning) == Plan.unread(text)
    assert plan.shape_hash == Plan(plan.root).shape_hash
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize("text", ["[\n]", '[\n  "CREATE TABLE AS"\n]', "", '[{"Plan": {}}]'])
def test_a_text_without_a_plan_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no plan"):
        Plan.unread(text)


def test_plans_differ_by_tree_and_figures() -> None:
    root = PlanNode("Seq Scan", 1.0, 0.0, 1.0)
    assert Plan(root) == Plan(root)
    assert Plan(root) != Plan(root, execution_ms=1.0)
    assert Plan(root) != Plan(PlanNode("Seq Scan", 2.0, 0.0, 1.0))
    assert Plan(root) != "Seq Scan"
