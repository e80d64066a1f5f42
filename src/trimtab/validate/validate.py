"""A strategy against the effective specification and the facts. The same input gives the same verdict, byte for byte.

The rules below are all that there are, in the order in which they are reported. A strategy is compliant when no rule
is broken; the score only ranks.
"""

from __future__ import annotations

from trimtab.model.strategy import Strategy, Verdict
from trimtab.spec.specification import Specification
from trimtab.validate import changes, drops, indexes, objects, rebuilds, settings, statistics
from trimtab.validate.case import Case, Rule
from trimtab.validate.facts import Facts
from trimtab.validate.own_rules import OwnRules, judged
from trimtab.validate.rights import RIGHTS
from trimtab.validate.seen_in import with_evidence
from trimtab.validate.waiving import waived_by

ENGINE_VERSION = "2"
"""Of the rules below as they are programmed: raised with every edit by which a verdict could become another one."""

RULES: tuple[Rule, ...] = (
    Rule("specification.expired", changes.expired),
    Rule("servers.allow_standby", changes.allow_standby),
    Rule("changes.allowed_kinds", changes.allowed_kinds),
    Rule("changes.max_changes_per_run", changes.max_changes_per_run),
    Rule("changes.max_changes_per_table", changes.max_changes_per_table),
    Rule("objects.system_schema", objects.system_schema),
    Rule("objects.allowed_schemas", objects.allowed_schemas),
    Rule("objects.denied_schemas", objects.denied_schemas),
    Rule("objects.denied_tables", objects.denied_tables),
    Rule("objects.unknown_table", objects.unknown_table),
    Rule("objects.unknown_column", objects.unknown_column),
    *RIGHTS,
    Rule("objects.name", objects.name),
    Rule("objects.name_taken", objects.name_taken),
    Rule("objects.index_exists", indexes.exists),
    Rule("objects.index_gone", drops.index_gone),
    Rule("objects.index_changed", drops.index_changed),
    Rule("objects.statistics_exist", statistics.exist),
    Rule("objects.statistics_gone", statistics.gone),
    Rule("indexes.definition", indexes.definition),
    Rule("indexes.allowed_methods", indexes.allowed_methods),
    Rule("indexes.max_size", indexes.max_size),
    Rule("indexes.max_total_size", indexes.max_total_size),
    Rule("indexes.max_table_size", indexes.max_table_size),
    Rule("indexes.max_key_columns", indexes.max_key_columns),
    Rule("indexes.max_include_columns", indexes.max_include_columns),
    Rule("indexes.max_per_table", indexes.max_per_table),
    Rule("indexes.require_concurrently", indexes.require_concurrently),
    Rule("indexes.name_prefix", indexes.name_prefix),
    Rule("drops.protects_constraint", drops.protects_constraint),
    Rule("drops.protects_uniqueness", drops.protects_uniqueness),
    Rule("drops.protects_replica_identity", drops.protects_replica_identity),
    Rule("drops.protects_clustered", drops.protects_clustered),
    Rule("drops.protects_additions", drops.protects_additions),
    Rule("drops.protects_foreign_key", drops.protects_foreign_key),
    Rule("drops.allow", drops.allow),
    Rule("drops.reasons", drops.reasons),
    Rule("drops.max_extra_columns", drops.max_extra_columns),
    Rule("drops.min_unused_days", drops.min_unused_days),
    Rule("rebuilds.index", rebuilds.index),
    Rule("rebuilds.not_concurrently", rebuilds.not_concurrently),
    Rule("rebuilds.allow", rebuilds.allow),
    Rule("rebuilds.max_size", rebuilds.max_size),
    Rule("rebuilds.min_excess", rebuilds.min_excess),
    Rule("rebuilds.min_excess_percent", rebuilds.min_excess_percent),
    Rule("statistics.max_columns", statistics.max_columns),
    Rule("statistics.kinds", statistics.kinds),
    Rule("statistics.name_prefix", statistics.name_prefix),
    Rule("statistics.max_target", statistics.max_target),
    Rule("statistics.distinct", statistics.distinct),
    Rule("statistics.restore", statistics.restore),
    Rule("settings.never", settings.never),
    Rule("settings.allowed", settings.allowed),
    Rule("settings.scopes", settings.scopes),
    Rule("settings.other_database", settings.other_database),
)


def validate(strategy: Strategy, spec: Specification, facts: Facts) -> Verdict:
    """Return the verdict, with every rule that is broken. `score` is 100 x rules kept / rules that applied, by weight.

    Those above weigh 1; those of the specification itself what it says. What a waiver covers was broken all the same.
    """
    case = Case(strategy, spec, facts)
    asked = [(rule.id, rule.check(case)) for rule in RULES]
    results = [found for _, found in asked if found is not None]
    own = judged(case) if spec.rules else OwnRules()
    broken = (*(with_evidence(case, violation) for found in results for violation in found), *own.violations)
    violations, waived = waived_by(case, broken)
    kept = sum(1 for found in results if not found) + own.kept_weight
    applied = len(results) + own.applied_weight
    return Verdict(
        compliant=not violations,
        violations=violations,
        spec_id=spec.id,
        spec_digest=spec.digest,
        score=100.0 * kept / applied if applied else None,
        warnings=own.warnings,
        waived=waived,
        engine_version=ENGINE_VERSION,
        not_applicable=(*(rule_id for rule_id, found in asked if found is None), *own.not_applicable),
        errors=own.errors,
    )
