"""Claims about the rules on rebuilding an index."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.change import RebuildIndex
from trimtab.model.strategy import Strategy

from .catalogue import MIB, ORDERS, drop, facts, index, judge, rebuild, spec, strategy, table

SMALL = {"size_bytes__orders_customer": MIB}  # the index holds 10 MiB


def broken(what: Strategy, **known: object) -> list[str]:
    specification = spec(rebuilds={"min_excess": "9MB", **known.pop("rebuilds", {})})  # type: ignore[dict-item]
    return [violation.rule_id for violation in judge(what, specification, facts(**known)).violations]  # type: ignore[arg-type]


def test_a_bloated_index_may_be_rebuilt() -> None:
    assert broken(strategy(rebuild("orders_customer"), **SMALL)) == []


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"allow": False}, "rebuilds.allow"),
        ({"max_size": "8MB"}, "rebuilds.max_size"),
        ({"min_excess": "10MB"}, "rebuilds.min_excess"),
        ({"min_excess_percent": 95.0}, "rebuilds.min_excess_percent"),
    ],
)
def test_each_limit_refuses(limits: dict[str, object], rule: str) -> None:
    assert broken(strategy(rebuild("orders_customer"), **SMALL), rebuilds=limits) == [rule]


@pytest.mark.parametrize("evidence", [{}, {"size_bytes__orders_customer": 0}, {"size_bytes__other": MIB}])
def test_without_an_estimate_nothing_is_known_to_be_freed(evidence: dict[str, float]) -> None:
    found = broken(strategy(rebuild("orders_customer"), size_bytes=None, **evidence), rebuilds={"min_excess": "0B"})
    assert found == ["rebuilds.min_excess", "rebuilds.min_excess_percent"]


def test_the_catalogs_size_counts_and_not_what_the_proposer_says() -> None:
    said = strategy(rebuild("orders_customer"), size_bytes=-100 * MIB, **SMALL, held_bytes__orders_customer=200 * MIB)
    assert broken(said, rebuilds={"min_excess": "10MB"}) == ["rebuilds.min_excess"]


@pytest.mark.parametrize("change", [rebuild("orders_customer", oid=7), rebuild("nowhere")])
def test_only_the_index_that_was_measured_is_rebuilt(change: RebuildIndex) -> None:
    assert broken(strategy(change, **SMALL)) == ["rebuilds.index"]


def test_an_index_that_is_dropped_earlier_in_the_run_is_not_rebuilt() -> None:
    specification = spec(rebuilds={"min_excess": "1MB"})
    dropped = facts(accepted=(strategy(drop("orders_customer")),))
    verdict = judge(strategy(rebuild("orders_customer"), **SMALL), specification, dropped)
    assert [(v.rule_id, v.actual) for v in verdict.violations] == [("rebuilds.index", "one that this run drops")]


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (table("orders", index("orders_customer", "customer_id", is_valid=False)), "rebuilds.index"),
        (table("orders", index("orders_customer", "customer_id", is_exclusion=True)), "rebuilds.not_concurrently"),
        (table("orders", index("orders_customer", "customer_id"), kind="p"), "rebuilds.not_concurrently"),
    ],
)
def test_what_cannot_be_rebuilt_without_blocking_is_refused(known: object, rule: str) -> None:
    specification = spec(rebuilds={"min_excess": "1MB"})
    verdict = judge(strategy(rebuild("orders_customer"), **SMALL), specification, facts(known))  # type: ignore[arg-type]
    assert [violation.rule_id for violation in verdict.violations] == [rule]


def test_a_rebuild_is_not_judged_again_when_it_is_done() -> None:
    change = rebuild("orders_customer", oid=7)
    assert broken(strategy(change, **SMALL), done=(change,)) == []


def test_the_owner_needs_no_right_on_the_schema() -> None:
    specification = spec(rebuilds={"min_excess": "1MB"})
    for known, rules in (({"may_create": False}, []), ({"is_owned": False}, ["objects.not_owner"])):
        orders = replace(ORDERS, **known)  # type: ignore[arg-type]
        verdict = judge(strategy(rebuild("orders_customer"), **SMALL), specification, facts(orders))
        assert [violation.rule_id for violation in verdict.violations] == rules


def test_the_kind_has_to_be_allowed_and_counts_as_a_change_of_its_table() -> None:
    what = strategy(rebuild("orders_customer"), **SMALL)
    assert "changes.allowed_kinds" in [
        v.rule_id for v in judge(what, spec(changes={"allowed_kinds": ["drop_index"]})).violations
    ]
    assert "changes.max_changes_per_table" in [
        v.rule_id for v in judge(what, spec(changes={"max_changes_per_table": 0})).violations
    ]
