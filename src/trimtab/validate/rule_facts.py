"""What rules may ask of each change: every fact that there is, by name; None where it is not known or does not apply.

Derives from the strategy and the facts of the catalog; judges nothing, reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from trimtab.model.catalog import Index, Table
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
)
from trimtab.spec.fact_names import FactValue, enumerations
from trimtab.validate.case import Case
from trimtab.validate.definition import shape_of_tail
from trimtab.validate.indexes import estimated_sizes

_Facts = dict[str, FactValue | None]


def rule_facts(case: Case) -> Iterator[tuple[str, _Facts]]:
    """Yield, for each change that is not done yet, its path and its facts."""
    common = {**_strategy(case), **_evidence(case), **_surroundings(case)}
    sizes = _new_sizes(case)
    for path, change in case.all_pending:
        table = None if isinstance(change, SetSetting) else case.facts.table(change.schema, change.table)
        facts: _Facts = {
            **_change(change),
            "change.position": int(path.removeprefix("changes[").removesuffix("]")),
            "change.size_bytes": sizes.get(path),
            **_table(table),
            **_index(change, table),
            **common,
        }
        yield path, facts


def facts_document(facts: _Facts) -> dict[str, object]:
    """Return the facts as a document writes them: what is not known says so, and is not left out."""
    return {name: _written(value) for name, value in sorted(facts.items())}


def _written(value: FactValue | None) -> object:
    if value is None:
        return "unknown"
    return list(value) if isinstance(value, tuple) else value


def _change(change: Change) -> _Facts:
    return {
        "change.kind": change.kind,
        **_of_table(change),
        "change.name": _name(change),
        "change.columns": _columns(change),
        **_of_index(change),
        **_of_setting(change),
        "change.is_reset": _is_reset(change),
    }


def _of_table(change: Change) -> _Facts:
    if isinstance(change, SetSetting):
        return {"change.schema": "", "change.table": ""}
    return {"change.schema": change.schema, "change.table": change.table}


def _of_index(change: Change) -> _Facts:
    if not isinstance(change, CreateIndex | DropIndex):
        return {
            "change.method": "none",
            "change.key_columns": (),
            "change.include_columns": (),
            "change.is_partial": None,
        }
    shape = shape_of_tail(change.tail)
    return {
        "change.method": _word("change.method", shape.method if shape else "other"),
        "change.key_columns": change.key_columns,
        "change.include_columns": change.include_columns,
        "change.is_partial": bool(shape.predicate) if shape and not shape.rest else None,
    }


def _of_setting(change: Change) -> _Facts:
    if not isinstance(change, SetSetting):
        return {"change.scope": "none", "change.scope_name": "", "change.value": ""}
    return {
        "change.scope": _word("change.scope", change.scope),
        "change.scope_name": change.scope_name,
        "change.value": change.value or "",
    }


def _name(change: Change) -> str:
    match change:
        case SetStatisticsTarget() | SetDistinct() | RestoreStatistics():
            return ""
        case _:
            return change.name


def _columns(change: Change) -> tuple[str, ...]:
    match change:
        case CreateIndex() | DropIndex():
            return (*change.key_columns, *change.include_columns)
        case CreateStatistics() | DropStatistics() | RestoreStatistics():
            return change.columns
        case SetStatisticsTarget() | SetDistinct():
            return (change.column,)
        case SetSetting() | RebuildIndex() | LeaveIndex():
            return ()


def _is_reset(change: Change) -> bool:
    match change:
        case SetSetting():
            return change.value is None
        case SetStatisticsTarget():
            return change.target is None
        case SetDistinct():
            return change.distinct is None
        case _:
            return False


def _new_sizes(case: Case) -> dict[str, int]:
    """Of all indexes of the strategy, those made already too: what each takes does not change on the way."""
    made = [(f"changes[{n}]", c) for n, c in enumerate(case.strategy.changes) if isinstance(c, CreateIndex)]
    sizes = estimated_sizes(case, [change for _, change in made])
    return {path: size for (path, _), size in zip(made, sizes, strict=True) if size > 0}


def _table(table: Table | None) -> _Facts:
    if table is None:
        return {**dict.fromkeys(_OF_A_TABLE), "table.kind": "none"}
    return {
        "table.kind": _word("table.kind", _RELKINDS.get(table.kind, table.kind)),
        "table.rows": int(table.rows) if table.rows_are_known else None,
        "table.size_bytes": table.size_bytes,
        "table.columns": len(table.columns),
        "table.indexes": len(table.indexes),
        "table.index_bytes": sum(index.size_bytes for index in table.indexes),
        "table.reads_are_hidden": table.has_row_security,
        "table.inserts": table.inserts,
        "table.updates": table.updates,
        "table.deletes": table.deletes,
        "table.is_owned": table.is_owned,
    }


_RELKINDS = {"r": "table", "m": "matview", "p": "partitioned"}
_OF_A_TABLE = (
    "table.rows", "table.size_bytes", "table.columns", "table.indexes", "table.index_bytes", "table.reads_are_hidden",
    "table.inserts", "table.updates", "table.deletes", "table.is_owned",
)  # fmt: skip


def _index(change: Change, table: Table | None) -> _Facts:
    found: Index | None = None
    if isinstance(change, DropIndex | RebuildIndex) and table is not None:
        found = next((index for index in table.indexes if index.name == change.name), None)
    return {
        "index.is_unique": found.is_unique if found else None,
        "index.size_bytes": found.size_bytes if found else None,
        "index.scans": found.scans if found else None,
        "index.unused_days": found.unused_days if found else None,
    }


def _strategy(case: Case) -> _Facts:
    return {
        "strategy.changes": len(case.strategy.changes),
        "strategy.size_bytes": case.strategy.size_bytes,
        "strategy.proposer": case.strategy.proposer,
        "strategy.earlier_changes": sum(1 for _ in case.earlier()),
        "strategy.queries": len(case.strategy.query_ids),
    }


def _evidence(case: Case) -> _Facts:
    prediction, trial = case.facts.evidence.prediction, case.facts.evidence.trial
    is_measured = trial is not None and trial.pairs > 0
    return {
        "evidence.predicted_gain_percent": 100 * prediction.improvement if prediction else None,
        "evidence.predicted_gain_at_best_percent": 100 * prediction.improvement_at_best if prediction else None,
        "evidence.prediction_confidence": prediction.confidence if prediction else None,
        "evidence.prediction_method": _word("evidence.prediction_method", prediction.method) if prediction else "none",
        "evidence.trial": trial.decision.value if trial else "none",
        "evidence.measured_gain_percent": 100 * trial.improvement if trial and is_measured else None,
        "evidence.trial_pairs": trial.pairs if trial else None,
        "evidence.trial_error_rate": trial.error_rate if trial else None,
    }


def _surroundings(case: Case) -> _Facts:
    facts = case.facts
    return {
        "actor.role": facts.role,
        "actor.is_superuser": facts.is_superuser,
        "env.database": facts.database,
        "env.server_major": facts.server_version // 10000,
        "env.is_standby": facts.is_standby,
        "env.is_applying": facts.is_applying,
        "env.stage": "enforce" if facts.is_enforcing else "examine",
        "now_unix": facts.read_unix,
    }


@lru_cache(maxsize=1)
def _words() -> dict[str, tuple[str, ...]]:
    return enumerations()


def _word(name: str, value: str) -> str:
    return value if value in _words()[name] else "other"
