"""The JSON document of `trimtab report`, schema `trimtab.report/v1`: all that the page tells, and nothing cut.

It holds names, statements of changes, numbers and reasons; texts of queries are normalised. No literal, no row.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from trimtab.report.analytics import analytics_document, figure_document, moment, window_document
from trimtab.report.document import run_document

if TYPE_CHECKING:
    from trimtab.anchor.force import Standing
    from trimtab.history.values import QueryPage, ServerHealth
    from trimtab.lifecycle.change_detail import ChangeDetail, ToldTrial
    from trimtab.lifecycle.evolving import Evolved
    from trimtab.lifecycle.reported import OnServer, OptimizationReport, WatchSeen
    from trimtab.lifecycle.second_look import LookedAt

SCHEMA = "trimtab.report/v1"


def report_document(report: OptimizationReport) -> dict[str, object]:
    """Return the report as a JSON-ready dictionary. Keys are only ever added within a schema version."""
    looks = report.looks
    return {
        "schema": SCHEMA,
        "at": moment(report.at_ns),
        "window": window_document(report.window),
        "database": report.database or None,
        "ledger": {"name": report.ledger_name, "entries": report.ledger_entries, "head": report.ledger_head},
        "history": report.history_name or None,
        "optimization_analytics": analytics_document(report),
        "runs": [run_document(run, moment) for run in report.runs],
        "changes": [_change(change) for change in report.changes],
        "on_servers": [_on_server(each) for each in report.on_servers],
        "costs": [{"name": figure.name, **figure_document(figure)} for figure in report.costs],
        "compliance": {
            "applied": len(looks),
            "compliant": sum(look.is_compliant for look in looks),
            "whole": sum(look.is_whole for look in looks),
            "looks": [_look(look) for look in looks],
        },
        "security": {
            "baselines": [moment(at_ns) for at_ns in report.security.taken_ns],
            "comparisons": report.security.looks,
            "difference_count": report.security.differences,
            "undeclared_count": report.security.undeclared,
            "warnings": dict(report.security.warnings),
        },
        "anchors": [_anchor(standing) for standing in report.anchors],
        "watched": [_watched(seen) for seen in report.watched],
        "series": [_life(life) for life in report.lives],
        "recommendations": [asdict(advised) for advised in report.advised],
        "servers": [_server(server) for server in report.servers],
        "queries": [_queries(page) for page in report.queries],
        "notes": list(report.notes),
    }


def _change(change: ChangeDetail) -> dict[str, object]:
    card, verdict, prediction = change.card, change.verdict, change.prediction
    return {
        "strategy_id": card.strategy_id,
        "run_id": card.run_id,
        "database": card.database,
        "title": card.title,
        "proposer": card.proposer,
        "reason": change.reason,
        "query_ids": list(change.query_ids),
        "stage": card.stage.value,
        "outcome": None if card.outcome is None else card.outcome.value,
        "note": card.note,
        "approval": card.approval,
        "began": moment(card.began_ns),
        "last": moment(card.last_ns),
        "changes": [
            {
                "kind": each.kind,
                "sql": each.sql,
                "inverse_sql": each.inverse_sql,
                "stands": each.stands,
                "seconds": each.seconds,
            }
            for each in change.changes
        ],
        "verdict": None
        if verdict is None
        else {
            "compliant": verdict.compliant,
            "spec_id": verdict.spec_id,
            "spec_digest": verdict.spec_digest,
            "rules": [
                {"rule_id": rule.rule_id, "effect": rule.effect, "message": rule.message, "waiver_id": rule.waiver_id}
                for rule in verdict.rules
            ],
        },
        "prediction": None if prediction is None else asdict(prediction),
        "trial": None if change.trial is None else _trial(change.trial),
    }


def _trial(trial: ToldTrial) -> dict[str, object]:
    saved = trial.interval
    return {
        "before_ms": trial.before_ms,
        "after_ms": trial.after_ms,
        "pairs": trial.pairs,
        "error_rate": trial.error_rate,
        "margin": trial.margin,
        "decision": trial.decision,
        "reason": trial.reason,
        "size_bytes": trial.size_bytes,
        "build_seconds": trial.build_seconds,
        "saved": None if trial.improvement is None else round(trial.improvement, 6),
        "interval": None if saved is None else asdict(saved),
        "queries": [asdict(query) for query in trial.queries],
    }


def _on_server(seen: OnServer) -> dict[str, object]:
    return {
        "strategy_id": seen.strategy_id,
        "run_id": seen.run_id,
        "server": seen.server,
        "before_ms": seen.before_ms,
        "after_ms": seen.after_ms,
        "before_calls": seen.before_calls,
        "after_calls": seen.after_calls,
        "before": window_document(seen.before),
        "after": window_document(seen.after),
        "source": "pg_stat_statements, history",
    }


def _look(look: LookedAt) -> dict[str, object]:
    return {
        "seq": look.intent_seq,
        "at": moment(look.at_ns),
        "strategy_id": look.strategy_id,
        "run_id": look.run_id,
        "spec_digest": look.spec_digest,
        "compliant": look.is_compliant,
        "whole": look.is_whole,
        "departures": [asdict(departure) for departure in look.departures],
    }


def _anchor(standing: Standing) -> dict[str, object]:
    anchor = standing.anchor
    return {
        "id": anchor.id,
        "at": moment(anchor.coordinate[0]),
        "database": anchor.database,
        "queries": len(anchor.queries),
        "permanence": anchor.permanence.value,
        "state": standing.force.value,
        "accepted_because": standing.accepted_because,
    }


def _watched(seen: WatchSeen) -> dict[str, object]:
    return {
        "database": seen.database,
        "since": moment(seen.since_ns) if seen.since_ns else None,
        "last": moment(seen.round_ns) if seen.round_ns else None,
        "open_alarms": seen.open_alarms,
        "stability": None if seen.stable is None else asdict(seen.stable),
        "coherence": seen.coherence,
    }


def _life(life: Evolved) -> dict[str, object]:
    series = life.evolution.series
    return {
        "id": series.id,
        "dimension": series.dimension,
        "unit": series.unit,
        "points": len(life.evolution.kept),
        "insights": [insight.sentence for insight in life.insights],
    }


def _server(server: ServerHealth) -> dict[str, object]:
    return {
        "server": server.name,
        "state": server.state,
        "version": server.version,
        "is_standby": server.is_standby,
        "measured_seconds": server.window.measured_seconds,
        "metrics": {
            name: {"value": metric.value, "unit": metric.unit, "source": metric.source, "why": metric.why}
            for name, metric in server.metrics.items()
        },
    }


def _queries(page: QueryPage) -> dict[str, object]:
    return {
        "server": page.server,
        "total": page.total,
        "source": page.source,
        "measured_seconds": page.window.measured_seconds,
        "queries": [
            {
                "query_id": query.query_id,
                "query": query.text,
                "calls": query.calls,
                "total_ms": query.total_ms,
                "mean_ms": query.mean_ms,
                "share": query.share,
            }
            for query in page.queries
        ],
    }
