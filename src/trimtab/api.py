"""The public Python interface: plain functions, and the classes that the original text names. Thin, over `lifecycle`.

Everything here returns frozen values or raises TrimtabError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.api_anchors import (
    AnchorMetadata,
    MonitoringSystem,
    PerformanceAnchoring,
    PerformanceEvolution,
    TemporalPerformanceAnchor,
    accept_anchor,
    anchor,
    anchor_path,
    anchor_stability,
    anchors,
    compare_anchors,
    create_anchor,
    explain_anchor,
    export_anchor_key,
    release_anchor,
    track_evolution,
    verify_anchor,
    verify_anchors,
)
from trimtab.api_approvals import apply_approved, waiting_approvals
from trimtab.api_changes import change_detail, changes_board, changes_page, entry_proof, kept_advice, ledger_viewer
from trimtab.api_history import METRICS, QUERY_SORTS, history_place, open_history, query_marks, retention_of
from trimtab.api_locks import lock_plan, plan_locks, review_locks, unlock_plan
from trimtab.api_security import (
    SecureOptimization,
    SecureOptimizationEngine,
    SecurePerformance,
    SecurityStatus,
    security_baseline,
    security_check,
    security_diff,
)
from trimtab.api_spec import (
    BASE_SPEC,
    Compliance,
    RuleViolation,
    get_spec,
    validate_index_strategy_compliance,
    validate_optimization_strategy,
    validate_query_plan_compliance,
)
from trimtab.errors import UsageError
from trimtab.model.anchor import Anchor
from trimtab.model.index_wishes import NO_WISHES, IndexWishes
from trimtab.model.keyed import Keyed
from trimtab.model.report import Life, Report
from trimtab.model.strategy import Outcome
from trimtab.model.watch import Silent, Watcher

if TYPE_CHECKING:
    from trimtab.lifecycle.indexes import Advice
    from trimtab.lifecycle.recover import Recovery
    from trimtab.lifecycle.request import Request
    from trimtab.lifecycle.twin_check import Checked
    from trimtab.lifecycle.twin_explain import Explained
    from trimtab.lifecycle.twin_origin import Origin
    from trimtab.lifecycle.twins import Exported, Kept
    from trimtab.model.agent import Agent
    from trimtab.model.asked import Asked
    from trimtab.twin.shelf import KeptTwin

__all__ = [
    "BASE_SPEC",
    "METRICS",
    "OBJECTIVES",
    "QUERY_SORTS",
    "AnchorMetadata",
    "Compliance",
    "ComplianceValidation",
    "IndexOptimization",
    "IndexWishes",
    "IntelligentIndexOptimizer",
    "Keyed",
    "MonitoringSystem",
    "OptimizationResult",
    "PerformanceAnchoring",
    "PerformanceEvolution",
    "PerformanceImpact",
    "QuantumDatabaseOptimizer",
    "RuleViolation",
    "SecureOptimization",
    "SecureOptimizationEngine",
    "SecurePerformance",
    "SecurityStatus",
    "TemporalPerformanceAnchor",
    "accept_anchor",
    "advise_indexes",
    "anchor",
    "anchor_path",
    "anchor_stability",
    "anchors",
    "apply_approved",
    "change_detail",
    "changes_board",
    "changes_page",
    "compare_anchors",
    "create_anchor",
    "entry_proof",
    "explain_anchor",
    "export_anchor_key",
    "get_spec",
    "history_place",
    "kept_advice",
    "ledger_viewer",
    "lock_plan",
    "open_history",
    "optimize",
    "plan_locks",
    "query_marks",
    "release_anchor",
    "retention_of",
    "review_locks",
    "security_baseline",
    "security_check",
    "security_diff",
    "track_evolution",
    "unlock_plan",
    "validate_index_strategy_compliance",
    "validate_optimization_strategy",
    "validate_query_plan_compliance",
    "verify_anchor",
    "verify_anchors",
    "waiting_approvals",
]
OBJECTIVES = ("speed", "efficiency")


def optimize(
    dsn: str | None = None,
    *,
    database: str | None = None,
    workload: str | Path | Sequence[str] | None = None,
    objectives: Sequence[str] = OBJECTIVES,
    budget_bytes: int | None = None,
    wishes: IndexWishes = NO_WISHES,
    spec: str | Path | None = None,
    lab: str = "clone",
    apply: bool = False,
    from_history: bool = False,
    propose: bool = False,
    standbys: Sequence[str] = (),
    pg_bin: Path | None = None,
    seed: int = 1,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
    asked: Sequence[Asked] = (),
    agent: Agent | None = None,
) -> Report:
    """Carry a workload through the lifecycle and return what came of it.

    `dsn` is a libpq DSN or a database name; without it libpq's environment decides. `workload` is a `.sql` file, a
    sequence of statements, or None for pg_stat_statements. `wishes` limit what is proposed of indexes. `standbys` are
    DSNs of the source's replicas, whose use of indexes counts too. `from_history` has what `anchor history` recommends
    tried too; `propose` leaves what is proven waiting for approval. With `asked` these changes alone are examined, as
    one strategy. `agent` is who asks in a person's place. Without `apply` nothing changes on the source. Raises
    TrimtabError.
    """
    from trimtab.lifecycle.loop import optimize as run

    request = _request(
        dsn,
        database,
        workload,
        objectives,
        budget_bytes=budget_bytes,
        wishes=wishes,
        spec=spec,
        lab=lab,
        apply=apply,
        standbys=standbys,
        pg_bin=pg_bin,
        seed=seed,
        ledger_path=ledger_path,
    )
    request = replace(request, from_history=from_history, propose=propose, asked=tuple(asked), agent=agent)
    return run(request, watcher or Silent())


def advise_indexes(
    dsn: str | None = None,
    *,
    database: str | None = None,
    workload: str | Path | Sequence[str] | None = None,
    objectives: Sequence[str] = OBJECTIVES,
    budget_bytes: int | None = None,
    wishes: IndexWishes = NO_WISHES,
    spec: str | Path | None = None,
    lab: str = "clone",
    standbys: Sequence[str] = (),
    pg_bin: Path | None = None,
    seed: int = 1,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
    agent: Agent | None = None,
) -> Advice:
    """Return the best set of indexes for a workload: proven, explained, and tried in the lab. Nothing is applied.

    Everything is as in `optimize`; the proof has 20 seconds where the wishes say nothing. Raises TrimtabError.
    """
    from trimtab.lifecycle import indexes

    request = _request(
        dsn,
        database,
        workload,
        objectives,
        budget_bytes=budget_bytes,
        wishes=wishes,
        spec=spec,
        lab=lab,
        apply=False,
        standbys=standbys,
        pg_bin=pg_bin,
        seed=seed,
        ledger_path=ledger_path,
    )
    return indexes.advise(replace(request, agent=agent), watcher or Silent())


def _request(
    dsn: str | None,
    database: str | None,
    workload: str | Path | Sequence[str] | None,
    objectives: Sequence[str],
    *,
    budget_bytes: int | None,
    wishes: IndexWishes,
    spec: str | Path | None,
    lab: str,
    apply: bool,
    standbys: Sequence[str],
    pg_bin: Path | None,
    seed: int,
    ledger_path: Path | None,
) -> Request:
    """Return what a run is asked, of what both `optimize` and `advise_indexes` take."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.request import Request, given_workload
    from trimtab.paths import ledger_path as default_ledger_path

    return Request(
        conninfo=conninfo_for(dsn, database),
        ledger_path=ledger_path or default_ledger_path(),
        workload=given_workload(workload),
        objectives=_checked(objectives),
        budget_bytes=budget_bytes,
        spec=spec,
        lab=lab,
        apply=apply,
        pg_bin=pg_bin,
        seed=seed,
        standbys=tuple(conninfo_for(standby, None) for standby in standbys),
        wishes=wishes,
    )


def resume(*, dsn: str | None = None, spec: str | Path | None = None, ledger_path: Path | None = None) -> Recovery:
    """Finish or undo what an unplanned end left open on a database. Raises TrimtabError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import recover
    from trimtab.paths import ledger_path as default_ledger_path

    return recover.resume(conninfo_for(dsn, None), ledger_path or default_ledger_path(), spec)


def revert(
    strategy_id: str | None,
    *,
    dsn: str | None = None,
    spec: str | Path | None = None,
    ledger_path: Path | None = None,
) -> Recovery:
    """Take back one strategy, or with None all that stands applied on a database. Raises TrimtabError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import recover
    from trimtab.paths import ledger_path as default_ledger_path

    return recover.revert(conninfo_for(dsn, None), ledger_path or default_ledger_path(), spec, strategy_id)


def export_twin(origin: Origin, path: Path, watcher: Watcher | None = None) -> Exported:
    """Write schema and planner statistics of a source into a portable file. Raises TrimtabError."""
    from trimtab.lifecycle import twins

    return twins.export(origin, path, watcher or Silent())


def keep_twin(origin: Origin, name: str, watcher: Watcher | None = None, *, days: float = 7.0) -> Kept:
    """Build a twin, or load what changed into the kept one of that name, and keep it. Raises TrimtabError."""
    from trimtab.lifecycle import twins

    if not 0 <= days < math.inf:
        raise UsageError(
            f"days was refused: {days} is no time to keep a twin",
            code="usage.days",
            next_step="Give a number from 0 on.",
        )
    return twins.keep(origin, name, watcher or Silent(), days=days)


def kept_twins() -> list[KeptTwin]:
    """Return the kept twins, by name; those whose time is over are removed."""
    from trimtab.lifecycle import twins

    return twins.kept_twins()


def drop_twins(names: Sequence[str] = (), *, every: bool = False) -> list[str]:
    """Remove kept twins, and return the names of those that went. Raises TrimtabError."""
    from trimtab.lifecycle import twins

    return twins.drop(names, every=every)


def check_twin(
    origin: Origin, dsn: str | None, workload: Path | None = None, watcher: Watcher | None = None, *, seed: int = 1
) -> Checked:
    """Compare a twin's plans of a workload with those of the server at `dsn`. Raises TrimtabError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import twin_check

    return twin_check.check(origin, conninfo_for(dsn, None), workload, watcher or Silent(), seed=seed)


def explain_twin(
    origin: Origin,
    workload: Path | None = None,
    watcher: Watcher | None = None,
    *,
    indexes: Sequence[str] = (),
    drops: Sequence[str] = (),
    settings: Sequence[str] = (),
    statistics: Sequence[str] = (),
    targets: Sequence[str] = (),
    seed: int = 1,
    engine: str = "twin",
    generic: bool | None = None,
) -> Explained:
    """Plan a workload without and with hypothetical changes: CREATE INDEX statements, names of indexes, name=value.

    `statistics` are CREATE STATISTICS statements, `targets` table.column=number: statistics targets of columns.
    `engine` is "twin", or "hypopg" for a server that has this extension; `generic` true plans for any parameters.
    What is wrong with one change, or one query, is told with it. Raises TrimtabError.
    """
    from trimtab.lifecycle import twin_explain
    from trimtab.lifecycle.twin_wishes import Wishes

    wishes = Wishes(indexes, drops, settings, statistics, targets)
    return twin_explain.explain(
        origin, workload, wishes, watcher or Silent(), seed=seed, engine=engine, generic=generic
    )


@dataclass(frozen=True, slots=True)
class ComplianceValidation(Keyed):
    """How the strategies stood to the specification: its id and digest, and each refusal by rule."""

    compliant: bool
    spec_id: str
    spec_digest: str
    refused: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class OptimizationResult(Keyed):
    """The four keys of `optimize_query_performance`.

    `applied_strategy` holds the lives that were kept (or, without apply, proven), the best first; `performance_anchor`
    is None when nothing was applied.
    """

    optimization_result: Report
    applied_strategy: tuple[Life, ...]
    performance_anchor: Anchor | None
    compliance_validation: ComplianceValidation


class QuantumDatabaseOptimizer:
    """The optimizer of one database under one specification, by the name that the original text gives it."""

    def __init__(
        self,
        spec_id: str | Path = BASE_SPEC,
        *,
        dsn: str | None = None,
        lab: str = "clone",
        apply: bool = False,
        pg_bin: Path | None = None,
        ledger_path: Path | None = None,
        wishes: IndexWishes = NO_WISHES,
    ) -> None:
        """`spec_id` is an id or a file. The others are as in `optimize`; without `dsn` libpq's environment decides."""
        self.spec = get_spec(spec_id, ledger_path=ledger_path)
        self._spec_reference = spec_id
        self._dsn = dsn
        self._lab = lab
        self._apply = apply
        self._pg_bin = pg_bin
        self._ledger_path = ledger_path
        self._wishes = wishes

    def optimize_query_performance(
        self,
        query_workload: str | Path | Sequence[str] | None,
        optimization_objectives: Sequence[str] = OBJECTIVES,
    ) -> OptimizationResult:
        """Run the lifecycle for a workload: a `.sql` file, a sequence of statements, or None for pg_stat_statements."""
        report = optimize(
            self._dsn,
            workload=query_workload,
            objectives=optimization_objectives,
            spec=self._spec_reference,
            lab=self._lab,
            apply=self._apply,
            pg_bin=self._pg_bin,
            ledger_path=self._ledger_path,
            wishes=self._wishes,
        )
        good = report.lives_with(Outcome.KEPT) if report.applied else report.lives_with(Outcome.PROVEN)
        best_first = sorted(good, key=lambda life: -_saved_ms(life))
        return OptimizationResult(report, tuple(best_first), report.anchor, self._compliance(report, good))

    def _compliance(self, report: Report, good: Sequence[Life]) -> ComplianceValidation:
        refused = {
            life.strategy.id: tuple(violation.rule_id for violation in life.verdict.violations)
            for life in report.lives
            if life.verdict is not None and not life.verdict.compliant
        }
        compliant = all(life.verdict is not None and life.verdict.compliant for life in good)
        return ComplianceValidation(compliant, self.spec.id, self.spec.digest, refused)


@dataclass(frozen=True, slots=True)
class PerformanceImpact(Keyed):
    """What the chosen indexes do to the workload's cost, in `unit`; `gap` as in `Advice`."""

    cost_before: float
    cost_after: float
    unit: str
    size_bytes: int
    gap: float | None


@dataclass(frozen=True, slots=True)
class IndexOptimization(Keyed):
    """The three keys of `optimize_database_indexes`; the score is from 0 to 100."""

    optimization_results: Advice
    performance_impact: PerformanceImpact
    index_health_score: float


class IntelligentIndexOptimizer:
    """The index optimizer under one specification, by the name that the original text gives it."""

    def __init__(
        self,
        spec_id: str | Path = BASE_SPEC,
        *,
        lab: str = "clone",
        pg_bin: Path | None = None,
        ledger_path: Path | None = None,
        wishes: IndexWishes = NO_WISHES,
    ) -> None:
        """`spec_id` is an id or a file. The others are as in `advise_indexes`."""
        self.spec = get_spec(spec_id, ledger_path=ledger_path)
        self._spec_reference = spec_id
        self._lab = lab
        self._pg_bin = pg_bin
        self._ledger_path = ledger_path
        self._wishes = wishes

    def optimize_database_indexes(
        self, database_instance: str | None, query_workload: str | Path | Sequence[str] | None = None
    ) -> IndexOptimization:
        """Choose, prove, explain and try the best set of indexes of a database, given by its DSN. Raises TrimtabError.

        The workload is a `.sql` file, a sequence of statements, or None for pg_stat_statements. Nothing is applied.
        """
        advice = advise_indexes(
            database_instance,
            workload=query_workload,
            spec=self._spec_reference,
            lab=self._lab,
            pg_bin=self._pg_bin,
            ledger_path=self._ledger_path,
            wishes=self._wishes,
        )
        impact = PerformanceImpact(advice.cost_before, advice.cost_after, advice.unit, advice.size_bytes, advice.gap)
        return IndexOptimization(advice, impact, advice.health.score)


def _saved_ms(life: Life) -> float:
    return 0.0 if life.trial is None else life.trial.before_ms - life.trial.after_ms


def _checked(objectives: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in objectives if name not in OBJECTIVES]
    if unknown or not objectives:
        raise UsageError(
            f"objectives were refused: {', '.join(unknown) or 'none given'}",
            code="usage.objectives",
            next_step=f"Name one or more of {', '.join(OBJECTIVES)}.",
        )
    return tuple(dict.fromkeys(objectives))
