"""How long planning takes is told from how many relations are joined at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.plan import Plan, PlanNode
from trimtab.propose.effort import planning_effort

from .catalogue import node, scan


def below(kind: str, *children: PlanNode, of: str = "Outer") -> PlanNode:
    return node(kind, *(replace(child, parent_relationship=of) for child in children))


def joined(*children: PlanNode) -> PlanNode:
    found = children[0]
    for child in children[1:]:
        found = below("Hash Join", found, below("Hash", child))
    return found


def scans(count: int) -> list[PlanNode]:
    return [scan(f"t{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (scan("t"), 1.0),
        (joined(*scans(5)), 1.0),
        (joined(*scans(10)), 4.0),
        (below("Aggregate", below("Sort", joined(*scans(15)))), 9.0),
    ],
)
def test_effort_grows_by_the_square_of_what_is_joined(root: PlanNode, expected: float) -> None:
    assert planning_effort(Plan(root)) == expected


def test_what_is_computed_first_is_one_relation() -> None:
    apart = [below("Aggregate", joined(*scans(6))) for _ in range(4)]
    assert planning_effort(Plan(joined(*apart))) == planning_effort(Plan(joined(*scans(6))))
    assert planning_effort(Plan(below("Append", *scans(30), of="Member"))) == 1.0


def test_a_subplan_is_not_joined() -> None:
    top = joined(*scans(5))
    whole = replace(top, children=(*top.children, replace(scan("x"), parent_relationship="InitPlan")))
    assert planning_effort(Plan(whole)) == 1.0
