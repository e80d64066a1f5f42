"""What differs between two specifications, and which way."""

from hypothesis import given

from trimtab.spec.difference import Direction, differences
from trimtab.spec.inherit import meet
from trimtab.spec.load import get_spec
from trimtab.spec.narrowing import NoMeetError

from .documents import documents, limits_of, specification

BASE, CHILD = get_spec("DATABASE_OPTIMIZATION_SPEC_V4"), get_spec("DB_GOVERNANCE_SPEC_V2")


def test_nothing_differs_from_itself() -> None:
    assert differences(BASE, BASE) == ()


def test_a_child_is_tightened_and_its_parent_loosened() -> None:
    there, back = differences(BASE, CHILD), differences(CHILD, BASE)
    assert {one.direction for one in there} == {Direction.TIGHTENED}
    assert {one.direction for one in back} == {Direction.LOOSENED}
    assert [one.path for one in there] == [one.path for one in back]
    by_path = {one.path: one for one in there}
    assert (by_path["settle.runs"].before, by_path["settle.runs"].after) == (3, 5)
    assert by_path["rules.governance.superuser"].before is None


@given(documents, documents)
def test_a_difference_is_told_by_what_both_allow(one: object, two: object) -> None:
    left, right = limits_of(one), limits_of(two)
    found = differences(specification(left), specification(right))
    assert (found == ()) == (left == right)
    try:
        both = meet(left, right)
    except NoMeetError:
        return
    assert all(one.direction is Direction.TIGHTENED for one in found) == (both == right)
    assert all(one.direction is Direction.LOOSENED for one in found) == (both == left)


def test_a_rule_with_another_severity_is_changed() -> None:
    from dataclasses import replace

    [first, *rest] = CHILD.rules
    altered = replace(CHILD, rules=(first.model_copy(update={"severity": "info"}), *rest))
    [found] = differences(CHILD, altered)
    assert (found.path, found.direction) == (f"rules.{first.id}", Direction.CHANGED)


def test_lists_are_shown_as_documents_write_them() -> None:
    found = next(one for one in differences(BASE, CHILD) if one.path == "drops.reasons")
    assert (found.before, found.after) == (["duplicate", "redundant", "unused"], ["duplicate", "redundant"])
