"""How long planning a query takes, compared with others: known before it is asked, and the same on every machine.

What grows is the search for an order of the joins, and with every index there are more ways to try: between few
relations it takes milliseconds, between eighteen a tenth of a second.
"""

from __future__ import annotations

from trimtab.model.plan import Plan, PlanNode

# Up to so many relations joined at once a query's planning takes as long as any's.
FEW_JOINED = 5

_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
_HANDS_ON = frozenset(
    {"Hash", "Sort", "Incremental Sort", "Materialize", "Memoize", "Gather", "Gather Merge", "Unique"}
)


def planning_effort(plan: Plan) -> float:
    """Return how many times as long as a simple query's its planning takes, 1 or more: by the square of its joins."""
    return max(1.0, (max(map(_joined, plan.root.walk())) / FEW_JOINED) ** 2)


def _joined(node: PlanNode) -> int:
    """Return how many relations are joined at once to make what this node returns; whatever else it reads is one."""
    if node.node_type not in _JOINS | _HANDS_ON:
        return 1
    return sum(_joined(child) for child in node.children if child.parent_relationship in ("Outer", "Inner"))
