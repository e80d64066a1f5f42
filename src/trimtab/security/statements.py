"""Which statements would do what is always blocked, read from their syntax before they are tried.

Allowed is what Trimtab's changes consist of; everything else is refused, with the code of what it would touch, or as
something that no rule knows. What an index guards is looked up in a snapshot. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trimtab.db.parser import Node, UnreadableSqlError, parse
from trimtab.model.change import Change, DropIndex
from trimtab.security.read import quoted
from trimtab.security.setting_rules import rule_of
from trimtab.security.snapshot import SecuritySnapshot

UNKNOWN_STATEMENT = "posture.other"

_ALLOWED = frozenset({"IndexStmt", "ReindexStmt", "CreateStatsStmt", "VacuumStmt"})
_STATEMENTS = {
    "AlterDefaultPrivilegesStmt": "posture.grant_default",
    "AlterDatabaseStmt": "posture.database_open",
    "AlterEventTrigStmt": "posture.event_trigger_disabled",
    "AlterExtensionContentsStmt": "posture.extension",
    "AlterExtensionStmt": "posture.extension_version",
    "AlterForeignServerStmt": "posture.foreign_server",
    "AlterFdwStmt": "posture.foreign_wrapper",
    "AlterOwnerStmt": "posture.owner",
    "AlterPolicyStmt": "posture.policy_changed",
    "AlterSubscriptionStmt": "posture.subscription",
    "AlterUserMappingStmt": "posture.user_mapping",
    "CopyStmt": "posture.member_of_files",
    "CreateEventTrigStmt": "posture.event_trigger",
    "CreateExtensionStmt": "posture.extension",
    "CreateFdwStmt": "posture.foreign_wrapper",
    "CreateForeignServerStmt": "posture.foreign_server",
    "CreatePLangStmt": "posture.untrusted_language",
    "CreatePolicyStmt": "posture.policy",
    "CreateRoleStmt": "posture.role",
    "CreateSubscriptionStmt": "posture.subscription",
    "CreateTrigStmt": "posture.trigger",
    "CreateUserMappingStmt": "posture.user_mapping",
    "DropRoleStmt": "posture.role",
    "DropSubscriptionStmt": "posture.subscription",
    "DropUserMappingStmt": "posture.user_mapping",
    "LoadStmt": "posture.library_path",
    "RuleStmt": "posture.rewrite_rule",
    "SecLabelStmt": "posture.security_label",
    "ViewStmt": "posture.view_definition",
}
_DROPPED = {
    "OBJECT_INDEX": None,
    "OBJECT_STATISTIC_EXT": None,
    "OBJECT_POLICY": "posture.policy",
    "OBJECT_TRIGGER": "posture.trigger_removed",
    "OBJECT_EVENT_TRIGGER": "posture.event_trigger",
    "OBJECT_EXTENSION": "posture.extension",
    "OBJECT_PUBLICATION": "posture.publication",
    "OBJECT_RULE": "posture.rewrite_rule",
    "OBJECT_FOREIGN_SERVER": "posture.foreign_server",
    "OBJECT_FDW": "posture.foreign_wrapper",
    "OBJECT_LANGUAGE": "posture.language",
}
_TABLE_COMMANDS = {
    "AT_SetStatistics": None,
    "AT_AddConstraint": "posture.constraint_changed",
    "AT_AlterConstraint": "posture.constraint_deferred",
    "AT_ChangeOwner": "posture.owner",
    "AT_DisableRowSecurity": "posture.row_level_security",
    "AT_DisableRule": "posture.rewrite_rule",
    "AT_DisableTrig": "posture.trigger_disabled",
    "AT_DisableTrigAll": "posture.constraint_trigger",
    "AT_DisableTrigUser": "posture.trigger_disabled",
    "AT_DropConstraint": "posture.constraint",
    "AT_DropNotNull": "posture.not_null",
    "AT_EnableReplicaTrig": "posture.trigger_disabled",
    "AT_NoForceRowSecurity": "posture.row_level_security_forced",
    "AT_ReplicaIdentity": "posture.replica_identity",
    "AT_SetUnLogged": "posture.unlogged",
}
_VIEW_OPTIONS = {
    "security_barrier": "posture.view_barrier",
    "security_invoker": "posture.view_invoker",
    "check_option": "posture.view_check_option",
}
_ROLE_OPTIONS = {
    "superuser": "posture.role_superuser",
    "bypassrls": "posture.role_bypass_rls",
    "isreplication": "posture.role_replication",
    "createrole": "posture.role_create_role",
    "createdb": "posture.role_create_database",
    "canlogin": "posture.role_login",
    "inherit": "posture.role_inherit",
    "connectionlimit": "posture.role_connection_limit",
    "validUntil": "posture.role_valid_until",
    "password": "posture.password_hash",
}
_FUNCTION_OPTIONS = {
    "leakproof": "posture.leakproof",
    "security": "posture.definer",
    "volatility": "posture.function_volatility",
    "strict": "posture.function_strict",
}
_GUARDING = {
    "is_unique": "posture.index_unique",
    "is_exclusion": "posture.index_exclusion",
    "is_replica_identity": "posture.index_replica_identity",
}
_COLUMN_OPTIONS = ("n_distinct", "n_distinct_inherited")


def blocked_in(text: str) -> tuple[str, ...]:
    """Return the codes of what the statements would do that is always blocked, in their order; () when nothing is.

    A text that cannot be read is refused as `posture.other`.
    """
    try:
        trees = parse(text)
    except UnreadableSqlError:
        return (UNKNOWN_STATEMENT,)
    return tuple(dict.fromkeys(code for tree in trees for code in _codes(tree)))


def blocked_change(change: Change, seen: SecuritySnapshot) -> tuple[str, ...]:
    """Return the codes of what a change would do that is always blocked: by its text, and by what its index guards."""
    found = blocked_in(change.sql())
    if isinstance(change, DropIndex):
        row = seen.row("indexes", quoted((change.schema, change.name))) or {}
        found += tuple(code for name, code in _GUARDING.items() if row.get(name))
    return found


def _codes(tree: Node) -> Iterator[str]:
    for name, fields in tree.items():
        if name in _ALLOWED:
            continue
        found = _READERS.get(name)
        if found is not None and isinstance(fields, Mapping):
            yield from found(fields)
        else:
            yield _STATEMENTS.get(name, UNKNOWN_STATEMENT)


def _setting(fields: Mapping[str, Any]) -> Iterator[str]:
    """SET, and ALTER SYSTEM, DATABASE, ROLE SET: what guards nothing may be set, all at once may not be reset."""
    statement = fields.get("setstmt", fields)
    if statement.get("kind") == "VAR_RESET_ALL":
        yield "posture.setting_guarded"
        return
    rule = rule_of(str(statement.get("name", "")))
    if rule is not None:
        yield rule[0]


def _system_setting(fields: Mapping[str, Any]) -> Iterator[str]:
    """ALTER SYSTEM: the whole server's, of which Trimtab sets none."""
    found = list(_setting(fields))
    yield from found or [UNKNOWN_STATEMENT]


def _function(fields: Mapping[str, Any]) -> Iterator[str]:
    options = _options(fields.get("options") or fields.get("actions"))
    names = {name for name, _ in options}
    if "language" in names or "as" in names:
        yield "posture.function_body"
    for name, value in options:
        if name == "set":
            statement = value.get("VariableSetStmt", {}) if isinstance(value, Mapping) else {}
            yield from (
                ["posture.definer_path"] if statement.get("name") == "search_path" else list(_setting(statement))
            )
        elif name not in ("language", "as"):
            yield _FUNCTION_OPTIONS.get(name, UNKNOWN_STATEMENT)


def _table(fields: Mapping[str, Any]) -> Iterator[str]:
    for each in fields.get("cmds", ()):
        command = each.get("AlterTableCmd", {})
        kind = str(command.get("subtype", ""))
        if kind in ("AT_SetOptions", "AT_ResetOptions"):
            if any(name not in _COLUMN_OPTIONS for name, _ in _options(_items(command))):
                yield UNKNOWN_STATEMENT
        elif kind in ("AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplaceRelOptions"):
            for name, _ in _options(_items(command)):
                yield _VIEW_OPTIONS.get(name, UNKNOWN_STATEMENT)
        else:
            code = _TABLE_COMMANDS.get(kind, UNKNOWN_STATEMENT)
            if code is not None:
                yield code


def _drop(fields: Mapping[str, Any]) -> Iterator[str]:
    code = _DROPPED.get(str(fields.get("removeType", "")), UNKNOWN_STATEMENT)
    if code is not None:
        yield code


def _role(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, _ in _options(fields.get("options")):
        yield _ROLE_OPTIONS.get(name, "posture.role")


def _grant(fields: Mapping[str, Any]) -> Iterator[str]:
    privileges = [each.get("AccessPriv", {}) for each in fields.get("privileges", ())]
    names = {str(each.get("priv_name", "")).upper() for each in privileges}
    kind = fields.get("objtype")
    grantees = [each.get("RoleSpec", {}).get("roletype") for each in fields.get("grantees", ())]
    if "MAINTAIN" in names or not names:
        yield "posture.grant_maintain"
    if fields.get("grant_option"):
        yield "posture.grant_option"
    if kind == "OBJECT_PARAMETER_ACL":
        yield "posture.grant_parameter"
    elif "ROLESPEC_PUBLIC" in grantees:
        yield "posture.grant_public"
    elif kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
        yield "posture.grant_function"
    elif any(each.get("cols") for each in privileges):
        yield "posture.grant_column"
    else:
        own = {
            "CREATE": "posture.grant_create",
            "TRIGGER": "posture.grant_trigger",
            "REFERENCES": "posture.grant_references",
            "TRUNCATE": "posture.grant_truncate",
        }
        yield from sorted({own.get(name, "posture.grant") for name in names - {"MAINTAIN"}})


def _membership(fields: Mapping[str, Any]) -> Iterator[str]:
    from trimtab.security.access_rules import PREDEFINED

    for each in fields.get("granted_roles", ()):
        granted = str(each.get("AccessPriv", {}).get("priv_name", ""))
        yield PREDEFINED.get(granted, "posture.membership")
    if any(name == "admin" for name, _ in _options(fields.get("opt"))):
        yield "posture.membership_admin"


def _publication(fields: Mapping[str, Any]) -> Iterator[str]:
    if fields.get("for_all_tables"):
        yield "posture.publication_all_tables"
    yield "posture.publication"


def _altered_publication(fields: Mapping[str, Any]) -> Iterator[str]:
    yield "posture.publication_operations" if fields.get("options") else "posture.publication_tables"


def _created_as(fields: Mapping[str, Any]) -> Iterator[str]:
    is_view = fields.get("objtype") == "OBJECT_MATVIEW"
    yield "posture.matview_over_row_security" if is_view else UNKNOWN_STATEMENT


def _created(fields: Mapping[str, Any]) -> Iterator[str]:
    is_unlogged = fields.get("relation", {}).get("relpersistence") == "u"
    yield "posture.unlogged" if is_unlogged else UNKNOWN_STATEMENT


_READERS = {
    "AlterDatabaseSetStmt": _setting,
    "AlterFunctionStmt": _function,
    "AlterPublicationStmt": _altered_publication,
    "AlterRoleSetStmt": _setting,
    "AlterRoleStmt": _role,
    "AlterSystemStmt": _system_setting,
    "AlterTableStmt": _table,
    "CreateFunctionStmt": _function,
    "CreatePublicationStmt": _publication,
    "CreateStmt": _created,
    "CreateTableAsStmt": _created_as,
    "DropStmt": _drop,
    "GrantRoleStmt": _membership,
    "GrantStmt": _grant,
    "VariableSetStmt": _setting,
}


def _options(items: object) -> list[tuple[str, Any]]:
    """Return (name, value) of each DefElem."""
    elements = (
        [each.get("DefElem", {}) for each in items if isinstance(each, Mapping)] if isinstance(items, list) else []
    )
    return [(str(each.get("defname", "")), each.get("arg")) for each in elements]


def _items(command: Mapping[str, Any]) -> object:
    definition = command.get("def", {})
    return definition.get("List", {}).get("items") if isinstance(definition, Mapping) else None
