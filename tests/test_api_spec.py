"""The specification registry in Python, by the names of the contract."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import trimtab
from tests.validate.catalogue import create, facts, setting, statistics, strategy
from trimtab.errors import SpecError, UsageError
from trimtab.model.strategy import Strategy


def test_get_spec_returns_the_effective_specification() -> None:
    assert trimtab.get_spec().id == "DATABASE_OPTIMIZATION_SPEC_V4"
    assert trimtab.get_spec("DB_GOVERNANCE_SPEC_V2").chain[0] == "DATABASE_OPTIMIZATION_SPEC_V4@1"
    with pytest.raises(SpecError):
        trimtab.get_spec("NO_SUCH_SPEC")


@pytest.mark.parametrize("name", [None, 5, "", b"x"])
def test_what_names_no_specification_gets_none(name: Any) -> None:
    with pytest.raises(SpecError) as refused:
        trimtab.get_spec(name)
    assert refused.value.code == "spec.unknown_id"


def test_a_strategy_is_compliant_or_says_why_not() -> None:
    fine = trimtab.validate_optimization_strategy(
        strategy(create("status", "total")), "DATABASE_OPTIMIZATION_SPEC_V4", facts=facts(), validation_depth="complete"
    )
    assert fine.compliant
    assert fine["score"] == 100.0
    assert fine.violations == ()
    refused = trimtab.validate_optimization_strategy(strategy(setting("fsync", "off")), facts=facts())
    assert not refused["compliant"]
    assert {violation["rule"] for violation in refused.violations} == {"settings.never", "settings.allowed"}
    first = refused.violations[0]
    assert all((first.path, first.expected, first.actual, first.message))
    assert (
        refused.document
        == trimtab.validate_optimization_strategy(strategy(setting("fsync", "off")), facts=facts()).document
    )


def test_without_facts_what_touches_a_table_is_not_compliant() -> None:
    found = trimtab.validate_optimization_strategy(strategy(create("status", "total")))
    assert not found.compliant
    assert "objects.unknown_table" in {violation.rule for violation in found.violations}


def test_a_depth_that_leaves_rules_out_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        trimtab.validate_optimization_strategy(strategy(create("status")), facts=facts(), validation_depth="quick")
    assert refused.value.code == "usage.validation_depth"


def test_an_index_strategy_is_made_of_index_changes() -> None:
    assert trimtab.validate_index_strategy_compliance(strategy(create("status", "total")), facts=facts()).compliant
    for other in (strategy(create("status"), setting("jit", "off")), replace(strategy(create("status")), changes=())):
        with pytest.raises(UsageError) as refused:
            trimtab.validate_index_strategy_compliance(other, facts=facts())
        assert refused.value.code == "usage.strategy_kind"


def test_a_plan_is_judged_by_what_would_hold_it() -> None:
    by_setting = trimtab.validate_query_plan_compliance(setting("jit", "off"), facts=facts())
    assert by_setting.compliant
    both = trimtab.validate_query_plan_compliance(
        [setting("row_security", "off"), statistics("status", "total")], facts=facts()
    )
    assert not both.compliant
    assert trimtab.validate_query_plan_compliance(strategy(setting("jit", "off")), facts=facts()).compliant
    with pytest.raises(UsageError):
        trimtab.validate_query_plan_compliance(create("status"), facts=facts())


@pytest.mark.server
def test_facts_can_be_those_of_a_database() -> None:
    import psycopg

    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.server import Server

    with Server.create(Binaries.find(), purpose="test-api-spec") as server:
        dsn = server.dsn("postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id bigint, status text, total numeric)")
        there = trimtab.validate_optimization_strategy(strategy(create("status", "total")), dsn=dsn)
        assert there.compliant, there.violations
        gone = trimtab.validate_optimization_strategy(strategy(create("nowhere")), dsn=dsn)
        assert "objects.unknown_column" in {violation.rule for violation in gone.violations}


@pytest.mark.parametrize("given", [None, 5, "x", [], {}, object(), Strategy(("x",), "p", "t", "r", ())])  # type: ignore
@pytest.mark.parametrize(
    "asked",
    [
        trimtab.validate_optimization_strategy,
        trimtab.validate_index_strategy_compliance,
        trimtab.validate_query_plan_compliance,
    ],
)
def test_what_is_no_strategy_is_refused_and_is_no_traceback(asked: Callable[..., object], given: object) -> None:
    with pytest.raises(UsageError) as refused:
        asked(given, facts=facts())
    assert refused.value.code in ("usage.strategy", "usage.strategy_kind")
    assert refused.value.next_step


@pytest.mark.parametrize(
    "given", [{"facts": 5}, {"facts": "x"}, {"facts": {}}, {"dsn": 5}, {"dsn": "x", "facts": facts()}]
)
def test_facts_and_dsn_are_asked_for_their_types(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        trimtab.validate_optimization_strategy(strategy(create("status", "total")), **given)
    assert refused.value.code == "usage.arguments"
