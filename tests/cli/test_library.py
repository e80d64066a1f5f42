"""Claims about the classes that the original text names, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

import trimtab
from trimtab.errors import RefusedError, UsageError
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome

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


def test_security_is_preserved_by_what_is_applied_and_performance_is_measured(
    market: Market, specification: Path, tmp_path: Path
) -> None:
    engine = trimtab.SecureOptimizationEngine(specification, apply=True, ledger_path=tmp_path / "ledger.db")
    asked = {"security_level": "standard", "optimization_goals": ["speed"], "workload": [text for _, _, text in READS]}
    result = engine.optimize_with_security_preservation(market.dsn, asked)
    assert result.keys() == ("optimization_result", "security_status", "performance_metrics")
    status, performance = result.security_status, result.performance_metrics
    assert status.preserved
    assert status.weakened_since_baseline == 0
    assert Path(status.baseline).is_file()
    assert {each.section for each in status.differences} <= {"indexes", "role_settings", "settings"}
    assert performance.changes_standing
    assert len(status.differences) >= sum("index" in life.strategy.proposer for life in _kept(result)) > 0
    assert performance.source_p50_ms
    assert performance.after_ms is not None
    assert performance.before_ms is not None
    assert performance.after_ms < performance.before_ms
    with market.session() as conn:
        conn.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with pytest.raises(RefusedError) as caught:
        engine.optimize_with_security_preservation(market.dsn, asked)
    assert caught.value.code == "security.level"


def _kept(result: trimtab.SecureOptimization) -> list[Life]:
    return list(result.optimization_result.lives_with(Outcome.KEPT))


@pytest.mark.parametrize(
    "requirements",
    [
        {"security_level": "cosmic"},
        {"optimization_goals": ["beauty"]},
        {"optimization_goals": []},
        {"optimization_goals": "speed"},
        {"quantum": True},
        {"workload": 7},
    ],
)
def test_security_requirements_that_are_not_understood_are_refused(requirements: dict[str, object]) -> None:
    engine = trimtab.SecureOptimizationEngine()
    with pytest.raises(UsageError) as caught:
        engine.optimize_with_security_preservation("host=/nowhere", requirements)
    assert caught.value.code == "usage.security_requirements"


@pytest.mark.parametrize(
    ("level", "found"), [("strict", "cannot read file_settings"), ("maximum", "warning.hba_unproven")]
)
def test_a_level_that_is_not_met_refuses_the_run_before_anything_is_done(
    level: str, found: str, market: Market, tmp_path: Path
) -> None:
    engine = trimtab.SecureOptimizationEngine(apply=True, ledger_path=tmp_path / "ledger.db")
    with market.session() as conn:
        conn.execute(f"CREATE ROLE {market.database}_{level} LOGIN".encode())
        before = market.everything()
        dsn = market.dsn if level == "maximum" else market.dsn_of(f"{market.database}_{level}")
        with pytest.raises(RefusedError, match=found) as caught:
            engine.optimize_with_security_preservation(dsn, {"security_level": level})
        assert market.everything() == before
        conn.execute(f"DROP ROLE {market.database}_{level}".encode())
    assert caught.value.code == "security.level"
