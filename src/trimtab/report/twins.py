"""The JSON documents that the `trimtab twin` commands print. See docs/cli.md.

They name queries and objects, and hold no literal of a query and no value of a statistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from trimtab.model.catalog import version_text

if TYPE_CHECKING:
    from trimtab.lifecycle.twin_check import Checked
    from trimtab.lifecycle.twin_explain import Explained, IndexExplained, StatisticsExplained, TargetExplained, Thought
    from trimtab.lifecycle.twins import Exported, Kept
    from trimtab.model.workload import Workload
    from trimtab.twin.shelf import KeptTwin


def exported_document(exported: Exported) -> dict[str, object]:
    """Return the document of `twin export`."""
    return {
        "schema": "trimtab.twin.export/v1",
        "path": str(exported.path),
        "size_bytes": exported.size_bytes,
        "source_version": version_text(exported.source_version),
        "relations": exported.relations,
        "has_values": exported.has_values,
        "problems": list(exported.problems),
    }


def kept_document(kept: Kept) -> dict[str, object]:
    """Return the document of `twin build`."""
    return {
        "schema": "trimtab.twin.build/v1",
        "twin": _kept(kept.twin),
        "was_refreshed": kept.was_refreshed,
        "loaded": kept.loaded,
        "relations": kept.relations,
        "build_seconds": round(kept.build_seconds, 3),
        "problems": list(kept.twin.problems),
    }


def list_document(twins: Sequence[KeptTwin]) -> dict[str, object]:
    """Return the document of `twin list`."""
    return {"schema": "trimtab.twin.list/v1", "twins": [_kept(twin) for twin in twins]}


def checked_document(checked: Checked) -> dict[str, object]:
    """Return the document of `twin check`."""
    names = {query.id: query.name for query in checked.workload.queries}
    return {
        "schema": "trimtab.twin.check/v1",
        "queries": [
            {
                "name": names[found.query_id],
                "source_cost": found.source_cost,
                "twin_cost": found.twin_cost,
                "same_shape": found.same_shape,
                "first_difference": found.first_difference,
                "reason": found.reason,
            }
            for found in checked.fidelity.queries
        ],
        "summary": {
            **checked.fidelity.summary(),
            "planner_calls": checked.planner_calls,
            "build_seconds": round(checked.build_seconds, 3),
            "engine": checked.engine,
            "role": checked.role,
            "source_version": version_text(checked.source_version),
            "twin_version": version_text(checked.twin_version),
        },
        "skipped": _skipped(checked.workload),
        "problems": list(checked.problems),
    }


def explained_document(explained: Explained) -> dict[str, object]:
    """Return the document of `twin explain`."""
    return {
        "schema": "trimtab.twin.explain/v1",
        "queries": [
            {
                "name": found.query.name,
                "cost_before": found.cost_before,
                "cost_after": found.cost_after,
                "uses": list(found.uses),
                "failure": found.failure,
            }
            for found in explained.queries
        ],
        "indexes": [
            {
                "sql": one.written if one.change is None else one.change.sql(concurrently=False),
                "name": None if one.change is None else one.change.name,
                "size_bytes": one.size_bytes,
                "note": one.note,
                **_refusal(one),
            }
            for one in explained.indexes
        ],
        "drops": [{"name": one.written, **_refusal(one)} for one in explained.drops],
        "settings": [{"setting": one.written, **_refusal(one)} for one in explained.settings],
        "statistics": [
            {
                "sql": one.written if one.change is None else one.change.sql(),
                "name": None if one.change is None else one.change.name,
                "note": one.note,
                **_refusal(one),
            }
            for one in explained.statistics
        ],
        "targets": [
            {
                "sql": one.written if one.target is None else one.target.sql(),
                "target": None if one.target is None else one.target.target,
                "note": one.note,
                **_refusal(one),
            }
            for one in explained.targets
        ],
        "summary": {
            "planner_calls": explained.planner_calls,
            "build_seconds": round(explained.build_seconds, 3),
            "engine": explained.engine,
            "role": explained.role,
        },
        "skipped": _skipped(explained.workload),
        "problems": list(explained.problems),
    }


def _kept(twin: KeptTwin) -> dict[str, object]:
    versions = {"source_version": version_text(twin.source_version), "twin_version": version_text(twin.twin_version)}
    return {key: value for key, value in {**asdict(twin), **versions}.items() if key != "problems"}


def _refusal(one: IndexExplained | StatisticsExplained | TargetExplained | Thought) -> dict[str, str]:
    return {"refusal": one.refusal, "code": one.code}


def _skipped(workload: Workload) -> list[dict[str, str]]:
    return [{"name": s.name, "code": s.code, "reason": s.reason} for s in workload.skipped]
