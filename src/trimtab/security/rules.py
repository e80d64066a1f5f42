"""Which rule judges which section. A section without one, and an attribute that no rule knows, is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from trimtab.security import access_rules as access
from trimtab.security import column_rules as columns
from trimtab.security import data_rules as data
from trimtab.security import door_rules as doors
from trimtab.security import object_rules as objects
from trimtab.security import setting_rules as settings
from trimtab.security.difference import Both, Difference, Effect, RowChange

Rule: TypeAlias = Callable[[RowChange, Both], Iterable[Difference]]

RULES: dict[str, Rule] = {
    "server": doors.server,
    "settings": settings.server_setting,
    "file_settings": settings.file_setting,
    "role_settings": settings.scoped_setting,
    "roles": access.role,
    "memberships": access.membership,
    "passwords": access.password,
    "grants": access.grant,
    "parameter_grants": access.parameter_grant,
    "default_privileges": access.default_privilege,
    "databases": access.database,
    "schemas": access.owned,
    "relations": data.relation,
    "policies": data.policy,
    "rules": data.rewrite_rule,
    "functions": data.function,
    "triggers": data.trigger,
    "event_triggers": data.event_trigger,
    "constraints": data.constraint,
    "domains": columns.domain,
    "indexes": data.index,
    "publications": doors.publication,
    "subscriptions": doors.subscription,
    "replication_slots": doors.replication_slot,
    "extensions": doors.extension,
    "languages": doors.language,
    "foreign_wrappers": doors.foreign_wrapper,
    "foreign_servers": doors.foreign_server,
    "user_mappings": doors.user_mapping,
    "hba": doors.hba,
    "ident": doors.ident,
    "casts": objects.cast,
    "operators": objects.operator,
    "operator_classes": objects.operator_class,
    "operator_families": objects.operator_family,
    "types": objects.type_,
    "aggregates": objects.aggregate,
    "collations": objects.collation,
    "conversions": objects.conversion,
    "text_search": objects.text_search,
    "access_methods": objects.access_method,
    "transforms": objects.transform,
    "tablespaces": objects.tablespace,
    "foreign_tables": objects.foreign_table,
    "statistics_objects": objects.statistics_object,
    "large_objects": objects.large_object,
    "labels": doors.label,
    "personal_columns": doors.personal_column,
}


def judge(change: RowChange, both: Both) -> list[Difference]:
    """Return the differences in a row that differs: one at least."""
    rule = RULES.get(change.section)
    if rule is None:
        return [change.whole("posture.section", Effect.UNKNOWN)]
    found = list(rule(change, both))
    told = {each.attribute for each in found}
    rest = [change.of(name, "posture.other", Effect.UNKNOWN) for name, _, _ in change.attributes() if name not in told]
    found += rest
    return found or [change.whole("posture.other", Effect.UNKNOWN)]
