"""The rules that a specification brings, waivers and the end of a bundle count immediately before the statement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.errors import RefusedError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.strategy import Decision, Trial
from trimtab.spec.rules import SpecRule
from trimtab.spec.specification import Specification
from trimtab.spec.waiver import Waiver
from trimtab.validate.facts import Evidence

from .shop import CREATE_INDEX, CREATE_STATISTICS, Shop, quick_specification, strategy

pytestmark = pytest.mark.server
ALL_TIME = 2**40


def _ruled(assertion: str, when: str = "true", severity: str = "block") -> Specification:
    rule = {"id": "shop.rule", "when": when, "assert": assertion, "severity": severity, "message": "not here"}
    return replace(quick_specification(), rules=(SpecRule.model_validate(rule),))


def _assert_refused(shop: Shop, specification: Specification) -> None:
    before = shop.picture()
    with pytest.raises(RefusedError) as refused:
        shop.enforcer(specification=specification).apply(strategy(CREATE_INDEX))
    assert refused.value.code == "apply.specification"
    assert shop.picture() == before
    assert shop.kinds() == []  # refused before anything was intended


def test_a_rule_is_asked_of_the_server_as_it_is_now(shop: Shop) -> None:
    found = shop.facts().table("public", CREATE_INDEX.table)
    assert found is not None
    specification = _ruled(f"table.indexes <= {len(found.indexes)}", "change.kind == 'create_index'")
    shop.run(f'CREATE INDEX in_the_meantime ON public."{CREATE_INDEX.table}" (id)')
    _assert_refused(shop, specification)
    shop.run("DROP INDEX in_the_meantime")
    assert shop.enforcer(specification=specification).apply(strategy(CREATE_INDEX))


@pytest.mark.parametrize("assertion", ["1 / 0 == 1", "index.scans == 0", "change.columns[9] == 'id'"])
def test_what_cannot_be_judged_is_not_made(shop: Shop, assertion: str) -> None:
    _assert_refused(shop, _ruled(assertion, severity="info"))


def test_the_measurement_of_the_trial_can_be_asked_for(shop: Shop) -> None:
    specification = _ruled("evidence.measured_gain_percent >= 20.0", "env.stage == 'enforce'")
    _assert_refused(shop, specification)
    trial = Trial(100.0, 70.0, 20, 0.01, 0.05, 200.0, Decision.ACCEPTED, "faster")
    assert shop.enforcer(specification=specification).apply(strategy(CREATE_INDEX), (), Evidence(trial=trial))


def test_every_change_of_a_strategy_is_asked_and_the_first_is_taken_back(shop: Shop) -> None:
    specification = _ruled("change.kind != 'create_statistics' || strategy.changes == 1")
    before = shop.picture()
    with pytest.raises(RefusedError):
        shop.enforcer(specification=specification).apply(strategy(CREATE_INDEX, CREATE_STATISTICS))
    assert shop.picture() == before
    assert shop.standing() == []


def test_the_intent_tells_of_warnings_and_of_what_was_waived(shop: Shop) -> None:
    waived = Waiver("W_KEYS", 1, "indexes.max_key_columns", ("*",), ("*",), "agreed for this test", ("a",), 0, ALL_TIME)
    limits = quick_specification().limits
    narrow = limits.model_copy(update={"indexes": limits.indexes.model_copy(update={"max_key_columns": 0})})
    _assert_refused(shop, replace(_ruled("false", severity="warn"), limits=narrow))
    specification = replace(_ruled("false", severity="warn"), limits=narrow, waivers=(waived,))
    shop.enforcer(specification=specification).apply(strategy(CREATE_INDEX))
    with Ledger.open(shop.ledger_path) as ledger:
        [intent] = ledger.entries(Kind.APPLY_INTENDED)
    assert intent.body["warnings"] == ["shop.rule"]
    assert intent.body["waived"] == ["indexes.max_key_columns by W_KEYS"]


def test_when_the_bundle_has_expired_nothing_is_applied_and_all_is_taken_back(shop: Shop) -> None:
    holds = replace(quick_specification(), expires_unix=ALL_TIME)
    (applied,) = shop.enforcer(specification=holds).apply(strategy(CREATE_INDEX))
    expired = replace(quick_specification(), expires_unix=1)
    shop.enforcer(specification=expired).revert(applied)
    assert shop.standing() == []
    with pytest.raises(RefusedError, match=r"specification\.expired"):
        shop.enforcer(specification=expired).apply(strategy(CREATE_INDEX))
