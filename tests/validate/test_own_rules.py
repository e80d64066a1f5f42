"""The rules that a specification brings: asked of every change, failing closed."""

from dataclasses import replace

import pytest
from hypothesis import given

from trimtab.model.change import DropIndex
from trimtab.model.strategy import Decision, Trial
from trimtab.spec.expressions import question
from trimtab.spec.fact_names import FACTS
from trimtab.spec.rules import SpecRule
from trimtab.spec.specification import Specification
from trimtab.validate.case import Case
from trimtab.validate.facts import Evidence
from trimtab.validate.rule_facts import facts_document, rule_facts
from trimtab.validate.validate import validate

from .catalogue import SHIPPED, create, drop, facts, rebuild, setting, snapshot, statistics, strategy
from .proposals import strategies


def with_rules(*rules: dict[str, object]) -> Specification:
    usual = {"message": "not here"}
    made = tuple(SpecRule.model_validate({"id": f"t.r{n}", **usual, **rule}) for n, rule in enumerate(rules))
    return replace(SHIPPED, rules=made)


def test_a_broken_rule_refuses_with_what_was_found() -> None:
    spec = with_rules({"assert": "change.columns.all(c, c != 'note')", "message": "notes are private"})
    verdict = validate(strategy(create("note")), spec, facts())
    [violation] = verdict.violations
    assert not verdict.compliant
    assert violation.rule_id == "t.r0"
    assert violation.path == "changes[0]"
    assert violation.expected == "change.columns.all(c, c != 'note')"
    assert violation.actual == "change.columns = [note]"
    assert violation.message == "notes are private"


def test_a_warning_is_told_and_does_not_refuse() -> None:
    spec = with_rules({"assert": "false", "severity": "warn"}, {"assert": "false", "severity": "info"})
    verdict = validate(strategy(create("status", "total")), spec, facts())
    assert verdict.compliant
    assert [(w.rule_id, w.severity) for w in verdict.warnings] == [("t.r0", "warn"), ("t.r1", "info")]


def test_a_rule_can_keep_constants_out_of_the_indexes_that_are_made_and_dropped() -> None:
    when = "change.kind in ['create_index', 'drop_index']"
    spec = with_rules({"when": when, "assert": "!change.is_partial && change.key_columns.all(c, c != '')"})
    plain = create("status", "total")
    partial = create("total", tail="USING btree (\"total\") WHERE (status = 'open'::text)")
    expression = replace(plain, tail="USING btree (left(note, 1))", key_columns=("",))
    dropped = DropIndex("public", "orders", "trimtab_other", partial.tail, ("total",), ())
    for change, is_refused in ((plain, False), (partial, True), (expression, True), (dropped, True)):
        broken = [v.rule_id for v in validate(strategy(change), spec, facts()).violations]
        assert ("t.r0" in broken) is is_refused, change


@pytest.mark.parametrize("severity", ["block", "warn", "info"])
def test_what_cannot_be_judged_blocks_whatever_the_severity(severity: str) -> None:
    spec = with_rules({"assert": "index.unused_days > 5.0", "severity": severity})
    verdict = validate(strategy(create("status", "total")), spec, facts())
    assert [v.rule_id for v in verdict.violations] == ["t.r0"]
    assert "could not be judged" in verdict.violations[0].message
    assert verdict.errors == ("t.r0",)


def test_which_rules_had_nothing_to_say_is_told() -> None:
    spec = with_rules({"assert": "false", "when": "change.kind == 'drop_index'"}, {"assert": "true"})
    verdict = validate(strategy(create("status", "total")), spec, facts())
    assert [rule_id for rule_id in verdict.not_applicable if rule_id.startswith("t.")] == ["t.r0"]
    assert verdict.errors == ()


def test_a_rule_is_asked_of_every_change_and_of_none_that_is_done() -> None:
    first, second = create("status", "total"), create("status", "id", name="trimtab_other")
    spec = with_rules({"assert": "false"})
    both = validate(strategy(first, second), spec, facts())
    assert [v.path for v in both.violations] == ["changes[0]", "changes[1]"]
    rest = validate(strategy(first, second), spec, facts(done=(first,)))
    assert [v.path for v in rest.violations] == ["changes[1]"]


def test_weights_count_in_the_score_and_rules_that_do_not_apply_do_not() -> None:
    change = strategy(create("status", "total"))
    plain = validate(change, SHIPPED, facts()).score
    heavy = with_rules({"assert": "false", "severity": "warn", "weight": 1000.0})
    idle = with_rules({"assert": "false", "when": "change.kind == 'drop_index'", "weight": 1000.0})
    assert plain == 100.0
    assert validate(change, idle, facts()).score == 100.0
    low = validate(change, heavy, facts())
    assert low.compliant
    assert low.score is not None
    assert low.score < 10


def test_evidence_is_known_when_the_change_is_enforced() -> None:
    spec = with_rules({"when": "env.stage == 'enforce'", "assert": "evidence.measured_gain_percent >= 20.0"})
    change = strategy(create("status", "total"))
    assert validate(change, spec, facts()).compliant
    assert not validate(change, spec, facts(is_enforcing=True)).compliant
    for after_ms, is_compliant in ((70.0, True), (90.0, False)):
        trial = Trial(100.0, after_ms, 20, 0.01, 0.05, 200.0, Decision.ACCEPTED, "faster")
        known = facts(is_enforcing=True, evidence=Evidence(trial=trial))
        assert validate(change, spec, known).compliant is is_compliant


def test_the_value_of_a_setting_is_not_repeated() -> None:
    spec = with_rules({"assert": "change.value == '4MB'"})
    verdict = validate(strategy(setting("work_mem", "a secret, maybe")), spec, facts())
    found = next(v for v in verdict.violations if v.rule_id == "t.r0")
    assert "secret" not in found.actual


def test_names_that_a_terminal_would_obey_are_escaped() -> None:
    spec = with_rules({"assert": "change.name == ''"})
    verdict = validate(strategy(create("status", name="a\x1b[2J")), spec, facts())
    found = next(v for v in verdict.violations if v.rule_id == "t.r0")
    assert "\x1b" not in found.actual


def test_the_moment_is_that_of_the_facts() -> None:
    spec = with_rules({"assert": "timestamp(now_unix).getHours() < 5"})
    assert validate(strategy(create("status", "total")), spec, facts()).compliant  # read at midnight
    late = replace(facts(), read_unix=1_767_261_600)
    assert not validate(strategy(create("status", "total")), spec, late).compliant


@given(strategies)
def test_every_fact_is_there_for_every_change(proposed) -> None:  # type: ignore[no-untyped-def]
    names = {fact.name for fact in FACTS}
    optional = {fact.name for fact in FACTS if fact.may_be_unknown}
    words = {fact.name: fact.words for fact in FACTS if fact.words}
    for _, found in rule_facts(Case(proposed, SHIPPED, facts())):
        assert set(found) == names
        assert {name for name, value in found.items() if value is None} <= optional
        assert all(found[name] in allowed for name, allowed in words.items())
        assert set(facts_document(found)) == names
        question(found)


def test_a_size_is_that_of_the_index_also_when_others_are_made_already() -> None:
    first, second = create("status", "total"), create("status", "id", name="trimtab_other")
    proposed = replace(
        strategy(first, second, size_bytes=300),
        evidence={"size_bytes.trimtab_new": 100, "size_bytes.trimtab_other": 200},
    )
    [(_, found)] = rule_facts(Case(proposed, SHIPPED, facts(done=(first,))))
    assert found["change.size_bytes"] == 200


def test_facts_of_each_kind_of_change_say_what_is_touched() -> None:
    proposed = strategy(drop("orders_customer_again"), rebuild("orders_created"), statistics("status", "total"))
    found = [facts_of for _, facts_of in rule_facts(Case(proposed, SHIPPED, facts()))]
    assert [f["change.columns"] for f in found] == [("customer_id",), (), ("status", "total")]
    assert [f["index.size_bytes"] for f in found] == [10 * 2**20, 10 * 2**20, None]
    assert [f["table.rows"] for f in found] == [1_000_000] * 3
    assert snapshot().server.user == found[0]["actor.role"]
