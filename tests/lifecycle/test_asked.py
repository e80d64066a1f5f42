"""What is asked for by names becomes changes whose every word is the catalog's or ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validate.catalogue import COLUMNS, SHIPPED, snapshot
from trimtab.errors import UsageError
from trimtab.lifecycle.asked import Prefixes, strategy_of
from trimtab.model.asked import (
    Asked,
    AskedDrop,
    AskedIndex,
    AskedKey,
    AskedRebuild,
    AskedSetting,
    AskedStatistics,
    AskedTarget,
)
from trimtab.model.change import CreateIndex, SetSetting
from trimtab.model.strategy import Strategy
from trimtab.validate.facts import facts_from
from trimtab.validate.validate import validate

PREFIXES = Prefixes("trimtab_", "trimtab_")


def made(*asked: Asked) -> Strategy:
    return strategy_of(asked, snapshot(), PREFIXES, "agent:planner")


def test_an_index_is_defined_by_us_and_passes_the_rules_of_its_definition() -> None:
    strategy = made(AskedIndex("public", "orders", (AskedKey("status"), AskedKey("created_at", True)), ("total",)))
    [change] = strategy.changes
    assert isinstance(change, CreateIndex)
    assert change.tail == 'USING btree ("status", "created_at" DESC) INCLUDE ("total")'
    assert change.name.startswith("trimtab_orders_status_created_at")
    assert strategy.size_bytes > 0
    assert strategy.reason == "agent:planner asked for it"
    verdict = validate(strategy, SHIPPED, facts_from(snapshot(), is_applying=False))
    assert [v.rule_id for v in verdict.violations] == []


def test_each_kind_is_made_in_the_order_that_it_was_asked_for_in() -> None:
    strategy = made(
        AskedIndex("public", "orders", (AskedKey("note"),)),
        AskedDrop("public", "orders_customer_again"),
        AskedRebuild("public", "orders_created"),
        AskedStatistics("public", "orders", ("total", "note", "total"), ("mcv",)),
        AskedTarget("public", "orders", "status", 500),
        AskedSetting("work_mem", "64MB"),
    )
    assert [change.kind for change in strategy.changes] == [
        "create_index", "drop_index", "rebuild_index", "create_statistics", "set_statistics_target", "set_setting",
    ]  # fmt: skip
    assert strategy.changes[-1] == SetSetting("database", "shop", "work_mem", "64MB")


def test_the_planners_own_estimate_of_a_size_is_taken_where_there_is_one() -> None:
    asked = [AskedIndex("public", "orders", (AskedKey("note"),))]
    assert strategy_of(asked, snapshot(), PREFIXES, "ann", lambda changes: [4711 for _ in changes]).size_bytes == 4711


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (AskedIndex("public", "nowhere", (AskedKey("id"),)), "asked.unknown"),
        (AskedIndex("public", "orders", (AskedKey("id); DROP TABLE orders; --"),)), "asked.unknown"),
        (AskedIndex("public", "orders", (AskedKey("id"),), ("nothing",)), "asked.unknown"),
        (AskedIndex("public", "orders", (AskedKey("id"), AskedKey("id"))), "asked.impossible"),
        (AskedIndex("public", "orders", ()), "asked.impossible"),
        (AskedIndex("public", "orders", (AskedKey("id", True),), method="hash"), "asked.impossible"),
        (AskedDrop("public", "nothing"), "asked.unknown"),
        (AskedRebuild("other", "orders_pkey"), "asked.unknown"),
        (AskedStatistics("public", "orders", ("id",), ("mcv",)), "asked.impossible"),
        (AskedTarget("public", "orders", "nothing", 1), "asked.unknown"),
        (AskedSetting("no_such_setting", "1"), "asked.unknown"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_refused(asked: Asked, code: str) -> None:
    with pytest.raises(UsageError) as refused:
        made(asked)
    assert refused.value.code == code


def test_nothing_asked_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        made()
    assert refused.value.code == "asked.nothing"


@given(st.sampled_from(["public", "other", ""]) | st.text(), st.sampled_from(["id", "total", 'i"d']) | st.text())
def test_no_text_of_who_asks_reaches_a_statement(schema: str, name: str) -> None:
    """A name is the catalog's, or it is refused."""
    asked = AskedIndex(schema, "orders", (AskedKey(name),))
    if schema == "public" and name in COLUMNS:
        [change] = made(asked).changes
        assert isinstance(change, CreateIndex)
        assert change.key_columns == (name,)
    else:
        with pytest.raises(UsageError) as refused:
            made(asked)
        assert refused.value.code == "asked.unknown"
