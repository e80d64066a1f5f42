"""Claims about the classes that the original text names, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

import trimtab
from trimtab.errors import UsageError

from .market import READS, Market

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_the_optimizer_returns_the_four_keys(market: Market, specification: Path, tmp_path: Path) -> None:
    optimizer = trimtab.QuantumDatabaseOptimizer(specification, dsn=market.dsn, ledger_path=tmp_path / "ledger.db")
    before = market.everything()
    result = optimizer.optimize_query_performance([text for _, _, text in READS], ["speed", "efficiency"])
    assert result.keys() == (
        "optimization_result",
        "applied_strategy",
        "performance_anchor",
        "compliance_validation",
    )
    assert [result[key] for key in result] == [getattr(result, key) for key in result]
    assert result.applied_strategy
    best = result.applied_strategy[0]
    assert best.trial is not None
    assert best.trial.after_ms < best.trial.before_ms
    assert result.performance_anchor is None  # nothing was applied
    assert result.compliance_validation.compliant
    assert result.compliance_validation.spec_id == "MARKET"
    with pytest.raises(KeyError):
        result["another"]
    assert market.everything() == before


def test_what_is_applied_is_anchored_with_the_settings_that_then_hold(
    market: Market, specification: Path, tmp_path: Path
) -> None:
    optimizer = trimtab.QuantumDatabaseOptimizer(
        specification, dsn=market.dsn, lab="clone", apply=True, ledger_path=tmp_path / "ledger.db"
    )
    result = optimizer.optimize_query_performance([text for _, _, text in READS])
    anchor = result.performance_anchor
    assert anchor is not None
    assert anchor.queries
    standing = [applied for life in result.applied_strategy for applied in life.applied]
    assert set(anchor.change_ids) == {applied.intent_id for applied in standing}
    with market.session() as conn:
        known = conn.execute("SELECT name, setting FROM pg_settings WHERE source = 'database'").fetchall()
    assert [row for row in known if anchor.settings.get(str(row[0])) != row[1]] == []


@pytest.mark.parametrize("objectives", [(), ("beauty",), ("speed", "beauty")])
def test_objectives_that_do_not_exist_are_refused(objectives: tuple[str, ...]) -> None:
    optimizer = trimtab.QuantumDatabaseOptimizer(dsn="host=/nowhere")
    with pytest.raises(UsageError):
        optimizer.optimize_query_performance(["select 1"], objectives)
