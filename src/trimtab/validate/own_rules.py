"""The rules that a specification brings itself, asked of every change that is still to be made.

A rule that cannot be answered, since a fact is unknown or an expression fails, counts as broken, and blocks, whatever
its severity: nobody can tell whether it would have been kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.strategy import Violation
from trimtab.spec.expressions import Answer, answers, question
from trimtab.spec.fact_names import FactValue
from trimtab.spec.rules import SpecRule
from trimtab.spec.settings import shown
from trimtab.validate.case import Case, label
from trimtab.validate.rule_facts import rule_facts


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What the specification's own rules found. Weights are summed over the rules that applied to any change.

    `not_applicable` are the ids of those that applied to none, `errors` of those that could not be judged of one.
    """

    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()
    kept_weight: float = 0.0
    applied_weight: float = 0.0
    not_applicable: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def judged(case: Case) -> OwnRules:
    """Return what the rules say, by rule and then by change."""
    rules = case.spec.rules
    asked = [(path, facts, answers(rules, question(facts))) for path, facts in rule_facts(case)]
    violations: list[Violation] = []
    warnings: list[Violation] = []
    kept = applied = 0.0
    silent: list[str] = []
    failed: list[str] = []
    for number, rule in enumerate(rules):
        is_applied = is_broken = is_failed = False
        for path, facts, told in asked:
            answer, error = told[number]
            if answer is Answer.NOT_APPLICABLE:
                continue
            is_applied = True
            if answer is not Answer.KEPT:
                is_broken, is_failed = True, is_failed or bool(error)
                found = _violation(rule, path, facts, error)
                (violations if found.severity == "block" else warnings).append(found)
        if is_applied:
            applied += rule.weight
            kept += 0.0 if is_broken else rule.weight
        else:
            silent.append(rule.id)
        if is_failed:
            failed.append(rule.id)
    return OwnRules(tuple(violations), tuple(warnings), kept, applied, tuple(silent), tuple(failed))


def _violation(rule: SpecRule, path: str, facts: dict[str, FactValue | None], error: str) -> Violation:
    if error:
        told = f"{rule.message} (could not be judged)"
        return Violation(rule.id, told, path, rule.assertion, f"no answer: {error}", evidence_ids=rule.facts)
    actual = ", ".join(f"{name} = {_told(name, facts.get(name, facts))}" for name in rule.facts)
    return Violation(rule.id, rule.message, path, rule.assertion, actual, rule.severity, rule.facts)


def _told(name: str, value: object) -> str:
    """Names are untrusted, and the text of a setting is nobody's business."""
    if name == "change.value":
        return shown(str(value))
    if isinstance(value, tuple):
        return "[" + ", ".join(label(str(item)) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return label(str(value))
