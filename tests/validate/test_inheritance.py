"""What a parent forbids, no child permits: random specifications and strategies, judged by the real rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.strategy import Strategy
from trimtab.spec.inherit import meet
from trimtab.spec.limits import Limits
from trimtab.spec.narrowing import NoMeetError
from trimtab.spec.specification import Specification

from .catalogue import SHIPPED, broken, create, facts, judge, strategy
from .proposals import random_limits, strategies


def specification(limits: Limits) -> Specification:
    return Specification("RANDOM", 1, "", ("RANDOM@1",), limits)


@given(random_limits, random_limits, strategies, st.lists(strategies, max_size=2))
def test_what_both_parents_narrow_to_permits_nothing_that_one_forbids(
    left: Limits, right: Limits, proposed: Strategy, accepted: list[Strategy]
) -> None:
    known = facts(accepted=tuple(accepted))
    try:
        child = specification(meet(left, right))
    except NoMeetError:
        return
    verdict = judge(proposed, child, known)
    for parent in (left, right):
        assert broken(judge(proposed, specification(parent), known)) <= broken(verdict)


@given(random_limits)
def test_hard_rules_hold_under_every_specification(limits: Limits) -> None:
    verdict = judge(create("total", schema="pg_catalog", tail="USING btree (a); SELECT 1"), specification(limits))
    assert {"objects.system_schema", "objects.unknown_table", "indexes.definition"} <= broken(verdict)


@pytest.mark.parametrize("section", list(Limits.model_fields))
def test_the_shipped_specification_meets_itself(section: str) -> None:
    assert getattr(meet(SHIPPED.limits, SHIPPED.limits), section) == getattr(SHIPPED.limits, section)


def test_an_empty_strategy_is_compliant_under_the_shipped_one() -> None:
    assert judge(strategy(), SHIPPED).compliant
