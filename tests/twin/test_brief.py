"""Plans of `what_if_each` are told in brief: of costs, rows, nodes and indexes they say what plans in full say."""

from __future__ import annotations

import pytest

from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure
from trimtab.twin.twin import Twin

from .shop import query
from .test_twin import ASKED, DROP_CUSTOMER, SMALL, ZIP, ZIP_COVERING, forget

pytestmark = pytest.mark.server

CONFIGURATIONS = ((), (ZIP,), (SMALL, ZIP, DROP_CUSTOMER), (ZIP_COVERING,))


def has_outputs(plan: Plan) -> bool:
    return any("Output" in node.keys for node in plan.root.walk())


def test_a_brief_plan_says_of_costs_nodes_and_indexes_what_a_full_one_does(shared_twin: Twin) -> None:
    forget(shared_twin)
    brief = shared_twin.what_if_each([(ASKED, changes) for changes in CONFIGURATIONS])
    full = shared_twin.what_if(ASKED, CONFIGURATIONS)
    seen = 0
    for of_one, of_other in zip(brief, full, strict=True):
        for mine, true in zip(of_one, of_other, strict=True):
            assert isinstance(mine, Plan)
            assert isinstance(true, Plan)
            assert has_outputs(true)
            seen += not has_outputs(mine)
            assert (mine.cost, mine.indexes) == (true.cost, true.indexes)
            assert [(n.node_type, n.relation, n.alias, n.index, n.rows, n.total_cost) for n in mine.root.walk()] == [
                (n.node_type, n.relation, n.alias, n.index, n.rows, n.total_cost) for n in true.root.walk()
            ]
    assert seen > len(ASKED)


def test_what_was_told_in_full_serves_for_brief_answers_and_not_the_other_way_round(shared_twin: Twin) -> None:
    forget(shared_twin)
    [full] = shared_twin.what_if(ASKED, [(ZIP,)])
    calls = shared_twin.planner_calls
    assert shared_twin.what_if_each([(ASKED, (ZIP,))]) == [full]
    assert shared_twin.planner_calls == calls
    [brief] = shared_twin.what_if_each([(ASKED, (ZIP_COVERING,))])
    calls = shared_twin.planner_calls
    assert shared_twin.what_if_each([(ASKED, (ZIP_COVERING,))]) == [brief]
    assert shared_twin.planner_calls == calls
    [again] = shared_twin.what_if(ASKED, [(ZIP_COVERING,)])
    assert shared_twin.planner_calls > calls
    assert all(isinstance(plan, Plan) and has_outputs(plan) for plan in again)


def test_a_generic_plan_and_one_that_fails_are_told_in_brief_too(shared_twin: Twin) -> None:
    asked = [query("SELECT * FROM orders WHERE zip = $1"), query("SELECT nothing FROM orders"), ASKED[0]]
    [[generic, failed, fine]] = shared_twin.what_if_each([(asked, (ZIP, SMALL))])
    assert isinstance(generic, Plan)
    assert generic.indexes == {"orders_zip"}
    assert isinstance(failed, PlanFailure)
    assert failed.sqlstate == "42703"
    assert isinstance(fine, Plan)
