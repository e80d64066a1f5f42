"""The risk of a change is read from the change and the catalog, never from who proposes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.catalog import Table
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
)
from trimtab.model.strategy import Strategy
from trimtab.validate.risk import LARGE_BYTES, MIDDLING_BYTES, Risk, risk_of

MADE = CreateIndex("public", "orders", "i", "USING btree (a)", ("a",))
TABLE = Table("public", "orders", 1, "r", 1.0, 1, 8192, ())


def risk(*changes: Change, size_bytes: int = 8192) -> Risk:
    strategy = Strategy(changes, "x", "harmless", "tiny, no risk at all", (), 0, {"risk": "low", "size_bytes.i": 1})
    return risk_of(strategy, {("public", "orders"): replace(TABLE, size_bytes=size_bytes)})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (CreateStatistics("public", "orders", "s", ("a", "b"), ("mcv",)), Risk.LOW),
        (SetStatisticsTarget("public", "orders", "a", 500), Risk.MEDIUM),
        (SetDistinct("public", "orders", "a", -0.5), Risk.MEDIUM),
        (SetSetting("function", '"public"."f"()', "work_mem", "64MB"), Risk.MEDIUM),
        (SetSetting("role_in_database", "x", "work_mem", "64MB"), Risk.MEDIUM),
        (SetSetting("role", "x", "work_mem", "64MB"), Risk.HIGH),
        (SetSetting("database", "shop", "work_mem", "64MB"), Risk.HIGH),
        (DropIndex("public", "orders", "i", "USING btree (a)", ("a",)), Risk.HIGH),
        (RestoreStatistics("public", "orders", ("a",), "0", "0"), Risk.HIGH),
    ],
)
def test_a_kind_has_its_risk(change: Change, expected: Risk) -> None:
    assert risk(change) is expected


@pytest.mark.parametrize("change", [MADE, RebuildIndex("public", "orders", "i", 7)])
def test_a_build_is_as_risky_as_the_table_is_large(change: Change) -> None:
    assert risk(change, size_bytes=MIDDLING_BYTES - 1) is Risk.LOW
    assert risk(change, size_bytes=MIDDLING_BYTES) is Risk.MEDIUM
    assert risk(change, size_bytes=LARGE_BYTES) is Risk.HIGH


def test_a_table_that_is_not_known_is_a_high_risk_and_a_strategy_has_the_highest_of_its_changes() -> None:
    assert risk(replace(MADE, table="elsewhere")) is Risk.HIGH
    assert risk(MADE, DropIndex("public", "orders", "i", "USING btree (a)", ("a",))) is Risk.HIGH
