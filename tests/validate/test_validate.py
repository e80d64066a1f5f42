"""The verdict as a whole: complete, pure, and never decided by the score."""

import hashlib

from hypothesis import given

from trimtab.model.strategy import Strategy
from trimtab.spec.load import get_spec
from trimtab.validate.validate import ENGINE_VERSION, RULES

from .catalogue import broken, create, drop, facts, judge, setting, spec, statistics, strategy
from .proposals import strategies


def test_an_ordinary_strategy_is_compliant_under_the_shipped_specification() -> None:
    verdict = judge(
        strategy(
            create("status", "created_at DESC", include=("total",)),
            drop("orders_customer_again"),
            statistics("status", "total"),
            setting("work_mem", "64MB"),
        ),
        get_spec("DATABASE_OPTIMIZATION_SPEC_V4"),
    )
    assert verdict.violations == ()
    assert verdict.compliant
    assert verdict.score == 100.0
    assert verdict.spec_id == "DATABASE_OPTIMIZATION_SPEC_V4"
    assert verdict.spec_digest == get_spec("DATABASE_OPTIMIZATION_SPEC_V4").digest


def test_each_violation_names_what_it_was_seen_in() -> None:
    both = strategy(create("status", name="mine"), setting("fsync", "off"))
    ids = {violation.rule_id: violation.evidence_ids for violation in judge(both).violations}
    assert ids["indexes.name_prefix"] == ("table public.orders",)
    assert ids["settings.never"] == ("setting fsync",)
    many = judge(both, spec(changes={"max_changes_per_run": 1}))
    found = next(v for v in many.violations if v.rule_id == "changes.max_changes_per_run")
    assert found.evidence_ids == ("table public.orders", "setting fsync")
    on_standby = judge(create("status"), known=facts(is_standby=True))
    assert next(v for v in on_standby.violations if v.rule_id == "servers.allow_standby").evidence_ids == ("server",)


def test_the_engine_has_a_version_that_its_rules_are_known_by() -> None:
    """Whoever edits the rules raises `ENGINE_VERSION` and this digest together."""
    ids = "\n".join(rule.id for rule in RULES)
    known = (hashlib.sha256(ids.encode()).hexdigest()[:16], ENGINE_VERSION)
    assert known == ("7b09f3f3b55d0d6a", "2")
    assert judge(create("status")).engine_version == ENGINE_VERSION


def test_every_rule_has_found_something_been_kept_or_had_nothing_to_say() -> None:
    verdict = judge(create("status"))
    assert set(verdict.not_applicable) < {rule.id for rule in RULES}
    assert {"drops.allow", "settings.never", "specification.expired"} <= set(verdict.not_applicable)
    assert not {"indexes.max_size", "indexes.definition", "changes.allowed_kinds"} & set(verdict.not_applicable)
    assert not {violation.rule_id for violation in verdict.violations} & set(verdict.not_applicable)
    assert verdict.errors == ()


def test_the_score_does_not_save_a_strategy() -> None:
    verdict = judge(create("status", name="mine"))
    assert verdict.score is not None
    assert verdict.score > 90
    assert not verdict.compliant


def test_every_broken_rule_is_reported_with_what_was_expected_and_found() -> None:
    change = create("id", "status", "total", name="x" * 64, table="nowhere")
    verdict = judge(change, spec(indexes={"max_key_columns": 2}))
    assert broken(verdict) >= {
        "objects.unknown_table",
        "objects.name",
        "indexes.max_key_columns",
        "indexes.name_prefix",
    }
    for violation in verdict.violations:
        assert violation.path.startswith("changes[0]")
        assert violation.expected in violation.message
        assert violation.actual in violation.message


@given(strategies)
def test_the_same_input_gives_the_same_verdict(proposed: Strategy) -> None:
    assert judge(proposed) == judge(proposed)
    assert repr(judge(proposed, known=facts())) == repr(judge(proposed, known=facts()))


def test_names_from_the_database_cannot_move_the_terminals_cursor() -> None:
    for violation in judge(create("a\x1b[2J", schema="ev\x1bil", name="n\x07")).violations:
        assert (violation.message + violation.expected + violation.actual + violation.path).isprintable()
