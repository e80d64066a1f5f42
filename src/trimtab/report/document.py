"""The JSON document that `trimtab optimize --json` prints, schema `trimtab.optimize/v1`. See docs/cli.md.

It holds normalised query texts, never literals or parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trimtab.model.change import Change
from trimtab.model.report import Life, Report, SecurityKept
from trimtab.model.strategy import QueryTrial, Trial, Violation

if TYPE_CHECKING:
    from trimtab.ledger.history import RunSummary

SCHEMA = "trimtab.optimize/v1"


def optimize_document(report: Report) -> dict[str, object]:
    """Return the report as a JSON-ready dictionary. Keys are only ever added within a schema version."""
    workload = report.workload
    names = {query.id: query.name for query in workload.queries}
    return {
        "schema": SCHEMA,
        "run_id": report.run_id,
        "source": {"version": report.server.version_text, "database": report.server.database},
        "workload": {
            "queries": len(workload.queries),
            "executions": workload.executions,
            "origin": workload.origin,
            "synthetic": sum(query.is_synthetic for query in workload.queries),
            "skipped": [
                {"query": s.normalized_text, "name": s.name, "reason": s.reason, "code": s.code}
                for s in workload.skipped
            ],
        },
        "strategies": [_life(life) for life in report.lives],
        "total": {
            "before_ms": _rounded(report.before_ms),
            "after_ms": _rounded(report.after_ms),
            "measured_in": "lab",
            "on_source": report.on_source.value,
        },
        "queries": [{"name": names.get(q.query_id, q.query_id), **_query(q)} for q in report.queries],
        "anchor": None if report.anchor is None else {"id": report.anchor.id, "queries": len(report.anchor.queries)},
        "twin": dict(report.fidelity),
        "lab": report.lab,
        "applied": report.applied,
        "changes_standing": report.changes_standing,
        "security": None if report.security is None else _security(report.security),
        "stages": dict(report.stages),
        "messages": list(report.messages),
        "ledger": {
            "entries": report.ledger.entries,
            "verified": report.ledger.verified,
            "head": report.ledger.head,
        },
    }


def _security(kept: SecurityKept) -> dict[str, object]:
    return {
        "preserved": kept.is_preserved,
        "comparisons": kept.comparisons,
        "undeclared": [
            {"code": each.code, "effect": each.effect, "section": each.section, "path": each.path}
            for each in kept.undeclared
        ],
        "notes": list(kept.notes),
    }


def _violation(violation: Violation) -> dict[str, object]:
    return {
        "rule_id": violation.rule_id,
        "message": violation.message,
        "path": violation.path,
        "expected": violation.expected,
        "actual": violation.actual,
        "severity": violation.severity,
        "evidence_ids": list(violation.evidence_ids),
    }


def run_document(run: RunSummary, moment: Callable[[int], str]) -> dict[str, object]:
    """Return a run as documents hold it; `moment` writes nanoseconds since 1970 as the document writes them."""
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "started": moment(run.started_ns),
        "ended": None if run.ended_ns is None else moment(run.ended_ns),
        "database": run.database,
        "spec_id": run.spec_id,
        "outcomes": dict(run.outcomes),
        "applied": run.applied,
        "reverted": run.reverted,
        "before_ms": run.before_ms,
        "after_ms": run.after_ms,
        "error_code": run.error_code,
        "on_source": run.on_source.value,
    }


def _life(life: Life) -> dict[str, object]:
    strategy, verdict, prediction = life.strategy, life.verdict, life.prediction
    return {
        "id": strategy.id,
        "proposer": strategy.proposer,
        "title": strategy.title,
        "reason": strategy.reason,
        "size_bytes": strategy.size_bytes,
        "changes": [{"kind": c.kind, "sql": c.sql(), "inverse_sql": _inverse_sql(c, life)} for c in strategy.changes],
        "verdict": None
        if verdict is None
        else {
            "compliant": verdict.compliant,
            "spec_id": verdict.spec_id,
            "spec_digest": verdict.spec_digest,
            "engine_version": verdict.engine_version,
            "score": verdict.score,
            "violations": [_violation(v) for v in verdict.violations],
            "warnings": [_violation(v) for v in verdict.warnings],
            "waived": [{**_violation(w.violation), "waiver_id": w.waiver_id} for w in verdict.waived],
        },
        "prediction": None
        if prediction is None
        else {
            "low": _rounded(prediction.low),
            "mid": _rounded(prediction.mid),
            "high": _rounded(prediction.high),
            "unit": prediction.unit,
            "before": _rounded(prediction.before),
            "confidence": prediction.confidence,
            "method": prediction.method,
        },
        "trial": None if life.trial is None else _trial(life.trial),
        "outcome": life.outcome.value,
        "note": life.note,
    }


def _inverse_sql(change: Change, life: Life) -> str | None:
    """The stored inverse where the change was applied; else the one that needs no earlier state, if there is one."""
    for applied in life.applied:
        if applied.change == change:
            return applied.inverse.sql()
    index = life.strategy.changes.index(change)
    return life.inverses[index].sql() if index < len(life.inverses) else None


def _trial(trial: Trial) -> dict[str, object]:
    return {
        "before_ms": _rounded(trial.before_ms),
        "after_ms": _rounded(trial.after_ms),
        "pairs": trial.pairs,
        "error_rate": trial.error_rate,
        "margin": trial.margin,
        "e_value": _rounded(min(trial.e_value, 1e12)),
        "smallest_effect": None if trial.smallest_effect is None else _rounded(trial.smallest_effect),
        "decision": trial.decision.value,
        "reason": trial.reason,
        "size_bytes": trial.size_bytes,
        "build_seconds": _rounded(trial.build_seconds),
        "queries": [_query(query) for query in trial.queries],
    }


def _query(query: QueryTrial) -> dict[str, object]:
    return {
        "query_id": query.query_id,
        "before_ms": _rounded(query.before_ms),
        "after_ms": _rounded(query.after_ms),
        "pairs": query.pairs,
        "plan_changed": query.plan_changed,
        "verdict": query.verdict,
        "timed_out": query.timed_out,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
