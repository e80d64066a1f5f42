"""The five shipped specifications: they build on one another, each narrows, and their rules gate."""

import pytest

from tests.validate.catalogue import ORDERS, create, drop, facts, setting, statistics, strategy
from trimtab.model.strategy import Decision, Prediction, Trial
from trimtab.spec.inherit import meet
from trimtab.spec.load import get_spec, known_ids
from trimtab.validate.facts import Evidence
from trimtab.validate.validate import validate

BASE = "DATABASE_OPTIMIZATION_SPEC_V4"
MIDDLE = ("AI_DB_OPTIMIZER_SPEC_V3", "QUANTUM_DB_PERFORMANCE_V2", "TIME_CRYSTAL_DB_ANCHOR_V1")
TOP = "DB_GOVERNANCE_SPEC_V2"
ACCEPTED = Trial(100.0, 50.0, 30, 0.005, 0.05, 300.0, Decision.ACCEPTED, "faster")
MEASURED = Evidence(Prediction(40.0, 55.0, 70.0, "ms", 100.0, 0.9, "cost_ratio"), ACCEPTED)


def test_the_five_ids_are_there() -> None:
    assert set(known_ids()) == {BASE, *MIDDLE, TOP}


@pytest.mark.parametrize("spec_id", [*MIDDLE, TOP])
def test_each_is_narrower_than_what_it_builds_on(spec_id: str) -> None:
    child = get_spec(spec_id)
    for parent in (BASE, *(MIDDLE if spec_id == TOP else ())):
        limits = get_spec(parent).limits
        assert meet(limits, child.limits) == child.limits
        assert child.limits != limits
        assert {rule.id for rule in get_spec(parent).rules} <= {rule.id for rule in child.rules}


@pytest.mark.parametrize("spec_id", [BASE, *MIDDLE, TOP])
def test_each_allows_a_measured_index_on_fresh_facts(spec_id: str) -> None:
    known = facts(is_enforcing=True, evidence=MEASURED)
    verdict = validate(strategy(create("status", "total")), get_spec(spec_id), known)
    assert verdict.compliant, verdict.violations
    assert not verdict.warnings
    assert verdict.score == 100.0


@pytest.mark.parametrize("spec_id", ["AI_DB_OPTIMIZER_SPEC_V3", TOP])
def test_what_was_not_measured_is_not_applied(spec_id: str) -> None:
    verdict = validate(strategy(create("status", "total")), get_spec(spec_id), facts(is_enforcing=True))
    assert [v.rule_id for v in verdict.violations] == ["ai.only_what_was_measured"]
    assert validate(strategy(create("status", "total")), get_spec(spec_id), facts()).compliant


def test_a_prediction_that_was_far_off_is_told() -> None:
    wild = Evidence(Prediction(1.0, 2.0, 3.0, "ms", 100.0, 0.9, "cost_ratio"), ACCEPTED)
    known = facts(is_enforcing=True, evidence=wild)
    verdict = validate(strategy(create("status", "total")), get_spec("AI_DB_OPTIMIZER_SPEC_V3"), known)
    assert verdict.compliant
    assert [w.rule_id for w in verdict.warnings] == ["ai.prediction_was_far_off"]


def test_indexes_do_not_outgrow_their_table() -> None:
    from dataclasses import replace

    grown = replace(ORDERS, indexes=tuple(replace(index, size_bytes=60 * 2**20) for index in ORDERS.indexes))
    verdict = validate(strategy(create("status", "total")), get_spec("QUANTUM_DB_PERFORMANCE_V2"), facts(grown))
    assert [v.rule_id for v in verdict.violations] == ["quantum.indexes_outgrow_their_table"]


def test_hidden_rows_make_no_anchor() -> None:
    from dataclasses import replace

    known = facts(replace(ORDERS, has_row_security=True), is_enforcing=True)
    verdict = validate(strategy(create("status", "total")), get_spec("TIME_CRYSTAL_DB_ANCHOR_V1"), known)
    assert [v.rule_id for v in verdict.violations] == ["anchor.rows_are_hidden"]


def test_governance_is_strict_about_who_and_what() -> None:
    from dataclasses import replace

    spec = get_spec(TOP)
    by_superuser = replace(facts(), is_superuser=True)
    found = validate(strategy(create("status", "total")), spec, by_superuser)
    assert [v.rule_id for v in found.violations] == ["governance.superuser"]
    hidden = facts(replace(ORDERS, has_row_security=True))
    found = validate(strategy(statistics("status", "total")), spec, hidden)
    assert [v.rule_id for v in found.violations] == ["governance.statistics_of_hidden_rows"]
    found = validate(strategy(setting("work_mem", "8MB")), spec, facts())
    assert [v.rule_id for v in found.violations] == ["settings.scopes"]
    unused = replace(ORDERS, indexes=tuple(replace(index, unused_days=900.0) for index in ORDERS.indexes))
    assert "drops.reasons" in {
        v.rule_id for v in validate(strategy(drop("orders_created")), spec, facts(unused)).violations
    }
    never_analysed = replace(ORDERS, rows=0.0, rows_are_known=False)
    found = validate(strategy(create("status", "total")), spec, facts(never_analysed))
    assert found.compliant
    assert [w.rule_id for w in found.warnings] == ["governance.unmeasured_table"]
