"""How risky a change is: low, medium or high, by its kind and by the table it touches. Documented rules, and pure.

Whoever proposes a change has no say in it: of the proposal nothing but the changes themselves is read, sizes come from
the catalog. A strategy is as risky as its riskiest change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import assert_never

from trimtab.model.catalog import Table
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    touched_table,
)
from trimtab.model.strategy import Strategy

LARGE_BYTES, MIDDLING_BYTES = 10 << 30, 1 << 30
"""From these sizes of the table on, building an index on it is a high risk, or a medium one."""


class Risk(StrEnum):
    """How risky a change is, in order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_ORDER = tuple(Risk)


def risk_of(strategy: Strategy, tables: Mapping[tuple[str, str], Table]) -> Risk:
    """Return the risk of the strategy; `tables` are those of fresh facts. One on a table that is not there is high."""
    return risk_by_sizes(strategy, {name: table.size_bytes for name, table in tables.items()})


def risk_by_sizes(strategy: Strategy, sizes: Mapping[tuple[str, str], int]) -> Risk:
    """Return the risk of the strategy, by the bytes of the tables, each by its schema and name."""
    return max((_risk(change, sizes) for change in strategy.changes), key=_ORDER.index, default=Risk.LOW)


def _risk(change: Change, sizes: Mapping[tuple[str, str], int]) -> Risk:
    match change:
        case CreateIndex() | RebuildIndex():
            size_bytes = sizes.get(touched_table(change) or ("", ""))
            if size_bytes is None or size_bytes >= LARGE_BYTES:
                return Risk.HIGH
            return Risk.MEDIUM if size_bytes >= MIDDLING_BYTES else Risk.LOW
        case CreateStatistics() | LeaveIndex():
            return Risk.LOW
        case SetStatisticsTarget() | SetDistinct() | DropStatistics():
            return Risk.MEDIUM
        case SetSetting():
            return Risk.MEDIUM if change.scope in ("function", "role_in_database") else Risk.HIGH
        case DropIndex() | RestoreStatistics():
            return Risk.HIGH
        case _:
            assert_never(change)
