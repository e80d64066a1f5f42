"""Of each field and rule: what holds, and who stated it."""

import pytest

from trimtab.errors import SpecError
from trimtab.spec.explain import explain
from trimtab.spec.inherit import field_paths
from trimtab.spec.load import lineage

CHAIN = lineage("DB_GOVERNANCE_SPEC_V2")


def test_every_field_and_rule_is_explained() -> None:
    found = explain(CHAIN)
    rules = [f"rules.{rule.id}" for rule in CHAIN[-1].effective.rules]
    assert [one.path for one in found] == [*field_paths(), *rules]
    assert all(one.stated_by for one in found)


def test_the_last_who_stated_it_is_what_holds() -> None:
    [runs] = explain(CHAIN, "settle.runs")
    assert runs.value == 5
    assert [(one.document, one.value) for one in runs.stated_by] == [
        ("DATABASE_OPTIMIZATION_SPEC_V4", 3),
        ("TIME_CRYSTAL_DB_ANCHOR_V1", 5),
    ]


def test_a_section_and_a_rule_can_be_asked_for() -> None:
    assert {one.path.split(".")[0] for one in explain(CHAIN, "drops")} == {"drops"}
    [rule] = explain(CHAIN, "rules.governance.superuser")
    assert rule.stated_by[0].document == "DB_GOVERNANCE_SPEC_V2"


def test_a_path_that_is_not_there_is_refused_with_a_near_one() -> None:
    with pytest.raises(SpecError) as refused:
        explain(CHAIN, "settle.run")
    assert refused.value.code == "spec.unknown_field"
    assert "settle.runs" in refused.value.next_step
