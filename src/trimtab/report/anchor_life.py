"""The JSON documents of `trimtab anchor explain` and `trimtab anchor history`. They hold no text and no literal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from trimtab.lifecycle.attribution_document import attribution_document

if TYPE_CHECKING:
    from trimtab.lifecycle.evolving import Evolved
    from trimtab.lifecycle.explaining import ExplainedAnchor, ExplainedPlan
    from trimtab.model.evolution import Recommendation


def explained_document(found: ExplainedAnchor) -> dict[str, object]:
    """Return the document of `anchor explain`."""
    return {
        "schema": "trimtab.anchor.explain/v1",
        "anchor_id": found.anchor_id,
        "same": found.same,
        "unknown": found.unknown,
        "changed": [_plan(plan) for plan in found.changed],
        "missing": list(found.missing),
        "is_other_server": found.is_other_server,
        "slowing": None if found.slowing is None else asdict(found.slowing),
        "alarms": [dict(alarm) for alarm in found.alarms],
    }


def history_document(found: Sequence[Evolved]) -> dict[str, object]:
    """Return the document of `anchor history`."""
    return {"schema": "trimtab.anchor.history/v1", "series": [_evolved(evolved) for evolved in found]}


def _plan(plan: ExplainedPlan) -> dict[str, object]:
    return {
        "query_id": plan.query_id,
        "share": plan.share,
        "note": plan.note,
        "attribution": None if plan.attribution is None else attribution_document(plan.attribution),
    }


def _evolved(evolved: Evolved) -> dict[str, object]:
    evolution = evolved.evolution
    return {
        "id": evolution.series.id,
        "dimension": evolution.series.dimension,
        "unit": evolution.series.unit,
        "points": [
            {"time_ns": str(point.time_ns), "value": point.value, "calls": point.calls} for point in evolution.kept
        ],
        "level": None if evolution.level is None else asdict(evolution.level),
        "drift": None if evolution.drift is None else asdict(evolution.drift),
        "change_points": [
            {**asdict(step), **{name: str(getattr(step, name)) for name in ("time_ns", "earliest_ns", "latest_ns")}}
            for step in evolution.change_points
        ],
        "insights": [asdict(insight) for insight in evolved.insights],
        "recommendations": [_recommendation(found) for found in evolved.recommendations],
        "stability": None if evolved.stability is None else asdict(evolved.stability),
    }


def _recommendation(found: Recommendation) -> dict[str, object]:
    strategy = found.strategy
    return {
        "action": found.action.value,
        "subject": found.subject,
        "reason": found.reason,
        "insight": found.insight,
        "event": None if found.event is None else {"kind": found.event.kind.value, "subject": found.event.subject},
        "strategy": None
        if strategy is None
        else {
            "id": strategy.id,
            "title": strategy.title,
            "changes": [{"kind": change.kind, "sql": change.sql()} for change in strategy.changes],
        },
    }
