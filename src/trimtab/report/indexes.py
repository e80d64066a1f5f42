"""The JSON document that `trimtab indexes --json` prints, schema `trimtab.indexes/v1`. See docs/cli.md.

It holds definitions of indexes, query names and numbers; a literal stands in it only where a predicate needs one.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from trimtab.propose.proof import gap_between

if TYPE_CHECKING:
    from trimtab.lifecycle.indexes import Advice, ChosenIndex
    from trimtab.model.report import Life
    from trimtab.propose.worth import Lack

SCHEMA = "trimtab.indexes/v1"


def indexes_document(advice: Advice) -> dict[str, object]:
    """Return the advice as a JSON-ready dictionary. Keys are only ever added within a schema version."""
    names = {query.id: query.name for query in advice.workload.queries}
    return {
        "schema": SCHEMA,
        "run_id": advice.run_id,
        "indexes": [_index(index, advice, names) for index in advice.indexes],
        "drops": [_drop(life) for life in advice.drops],
        "merges": [_merge(life) for life in advice.merges],
        "rebuilds": [_rebuild(life) for life in advice.rebuilds],
        "bloated": [
            {"sql": one.sql(), "size_bytes": one.size_bytes, "estimated_bytes": one.estimated_bytes}
            for one in advice.bloated
        ],
        "lacking": [_lack(lack, advice, names) for lack in advice.lacking],
        "cost_before": _rounded(advice.cost_before),
        "cost_after": _rounded(advice.cost_after),
        "objective": _rounded(advice.objective),
        "lower_bound": _rounded(advice.lower_bound),
        "gap": None if advice.gap is None else round(advice.gap, 6),
        "solvers": [
            {
                "solver": attempt.solver,
                "objective": _rounded(attempt.objective),
                "indexes": len(attempt.names),
                "seconds": round(attempt.seconds, 3),
                "gap": None
                if advice.lower_bound is None
                else round(gap_between(advice.lower_bound, attempt.objective), 6),
            }
            for attempt in advice.attempts
        ],
        "constraints": {
            "budget_bytes": advice.limits.budget_bytes,
            "max_indexes": advice.limits.max_indexes,
            "max_indexes_per_table": advice.limits.max_indexes_per_table,
            "max_write_overhead": advice.limits.max_write_overhead,
            "max_regression": advice.limits.max_regression,
            "must_keep": sorted(".".join(names) for names in advice.limits.must_keep),
            "must_not": sorted(".".join(names).removesuffix(".") for names in advice.limits.must_not),
        },
        "write_overhead": _rounded(advice.write_overhead),
        "unit": advice.unit,
        "size_bytes": advice.size_bytes,
        "proven": {"indexes": len(advice.proven), "size_bytes": sum(index.size_bytes for index in advice.proven)},
        "twin": dict(advice.fidelity),
        "frontier": [
            {"size_bytes": point.size_bytes, "cost": _rounded(point.cost), "indexes": len(point.names)}
            for point in advice.frontier
        ],
        "health": {
            "score": round(advice.health.score, 1),
            **{k: round(v, 4) for k, v in asdict(advice.health).items()},
        },
        "candidates": len(advice.candidates),
        "planner_calls": advice.planner_calls,
        "seconds": advice.seconds,
        "lab": advice.lab,
        "skipped": [
            {"query": s.normalized_text, "name": s.name, "reason": s.reason, "code": s.code}
            for s in advice.workload.skipped
        ],
        "problems": list(advice.problems),
    }


def _index(index: ChosenIndex, advice: Advice, names: dict[str, str]) -> dict[str, object]:
    worth, trial, prediction = index.worth, index.life.trial, index.life.prediction
    return {
        "id": index.life.strategy.id,
        "sql": index.change.sql(),
        "name": index.change.name,
        "kind": " ".join(index.kinds),
        "rule": index.rule,
        "size_bytes": index.size_bytes,
        "value": _rounded(worth.value),
        "write_cost": _rounded(index.write_cost),
        "queries": [
            {"name": names[gain.query_id], "before": _rounded(gain.before), "after": _rounded(gain.after)}
            for gain in worth.gains
        ],
        "stand_ins": [advice.candidates[name].sql() for name in worth.stand_ins],
        "loss": _rounded(worth.loss),
        "replaces": [".".join(names) for names in index.replaces],
        "outcome": index.life.outcome.value,
        "note": index.life.note,
        "predicted_ms": None
        if prediction is None or prediction.unit != "ms"
        else {name: _rounded(getattr(prediction, name)) for name in ("low", "mid", "high")},
        "built_bytes": None if trial is None else trial.size_bytes,
        "build_seconds": None if trial is None else _rounded(trial.build_seconds),
        "before_ms": None if trial is None else _rounded(trial.before_ms),
        "after_ms": None if trial is None else _rounded(trial.after_ms),
    }


def _drop(life: Life) -> dict[str, object]:
    [change], inverses = life.strategy.changes, life.inverses
    return {
        "id": life.strategy.id,
        "sql": change.sql(),
        "inverse_sql": inverses[0].sql() if inverses else None,
        "reason": life.strategy.reason,
        "size_bytes": life.strategy.size_bytes,
        "outcome": life.outcome.value,
        "note": life.note,
    }


def _rebuild(life: Life) -> dict[str, object]:
    [change], trial = life.strategy.changes, life.trial
    return {
        "id": life.strategy.id,
        "sql": change.sql(),
        "reason": life.strategy.reason,
        "size_bytes": life.strategy.size_bytes,
        "freed_bytes": None if trial is None else -trial.size_bytes,
        "outcome": life.outcome.value,
        "note": life.note,
    }


def _merge(life: Life) -> dict[str, object]:
    return {
        "id": life.strategy.id,
        "sql": [change.sql() for change in life.strategy.changes],
        "inverse_sql": [inverse.sql() for inverse in reversed(life.inverses)],
        "reason": life.strategy.reason,
        "size_bytes": life.strategy.size_bytes,
        "outcome": life.outcome.value,
        "note": life.note,
    }


def _lack(lack: Lack, advice: Advice, names: dict[str, str]) -> dict[str, object]:
    return {
        "query": names[lack.query_id],
        "reason": lack.reason,
        "cost": _rounded(lack.cost),
        "best": _rounded(lack.best),
        "would_help": [advice.candidates[name].sql() for name in lack.names],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
