"""An attribution as documents, alarms and the ledger write it. It holds no text of a query and no literal. Pure."""

from __future__ import annotations

from trimtab.model.flip import (
    Attribution,
    Difference,
    IndexDifference,
    ObjectStatistics,
    ParameterDifference,
    PlanningDifference,
    SchemaDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
)


def attribution_document(found: Attribution) -> dict[str, object]:
    """Return it: names of tables, indexes, settings and roles, shapes of plans, and what each plan of the proof was."""
    return {
        "kind": None if found.kind is None else found.kind.value,
        "causes": [str(cause) for cause in found.causes],
        "objects": [_object(cause) for cause in found.causes],
        "reason": found.reason,
        "was": list(found.old.lines),
        "now": list(found.new.lines),
        "proof": [
            {
                "without": [str(cause) for cause in plan.without],
                "is_generic": plan.is_generic,
                "shape": plan.shape,
                "cost": plan.cost,
                "is_old_shape": plan.is_old_shape,
                "reason": plan.reason,
            }
            for plan in found.proof
        ],
        "engine_version": found.engine_version,
    }


def _object(cause: Difference) -> dict[str, str]:
    """Return what a cause is of, for programs: names apart, "" where it has none."""
    match cause:
        case IndexDifference():
            return _named("index", cause.schema, cause.table, cause.name)
        case ObjectStatistics():
            return _named("extended statistics", cause.schema, cause.table, cause.name)
        case SettingDifference():
            return {**_named(f"setting of {cause.level}", name=cause.name), "scope": cause.scope}
        case TableStatistics():
            return _named("statistics", cause.schema, cause.table)
        case TableSize():
            return _named("size", cause.schema, cause.table)
        case SchemaDifference():
            return _named("schema", cause.schema, cause.table)
        case PlanningDifference():
            return _named("generic plan")
        case ParameterDifference():
            return _named("parameters")
        case _:
            return _named("version")


def _named(what: str, schema: str = "", table: str = "", name: str = "") -> dict[str, str]:
    return {"what": what, "schema": schema, "table": table, "name": name, "scope": ""}
