"""What it means for security that tables, views, policies, functions, triggers, constraints or indexes differ. Pure.

What goes with its table (a constraint, a policy) is neutral: whoever may drop a table has done that in the open.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.security.column_rules import COLUMN_RULES
from trimtab.security.difference import Both, Difference, Effect, RowChange
from trimtab.security.setting_rules import rule_of
from trimtab.security.snapshot import Attribute

_W, _S, _N, _U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN

_RELATION: dict[str, tuple[str, Attribute, Attribute]] = {
    "row_security": ("posture.row_level_security", False, True),
    "force_row_security": ("posture.row_level_security_forced", False, True),
    "security_barrier": ("posture.view_barrier", False, True),
    "security_invoker": ("posture.view_invoker", False, True),
    "check_option": ("posture.view_check_option", "none", ""),
    "persistence": ("posture.unlogged", "u", "p"),
    "replica_identity": ("posture.replica_identity", "n", ""),
    "autovacuum": ("posture.autovacuum", False, True),
    "owner": ("posture.owner", "", ""),
    "definition": ("posture.view_definition", "", ""),
    "kind": ("posture.relation", "", ""),
}
"""Attribute: its code, the value that weakens, the value that strengthens; "" where no single one does."""


def relation(change: RowChange, both: Both) -> Iterator[Difference]:
    """A table, view or the like: row security, who owns it, what a view lets through, whether it survives a crash."""
    if change.after is None:
        yield change.whole("posture.relation", _N)
        return
    kind = change.after.get("kind")
    reads = [name for name, is_new in change.members("reads_row_secured") if is_new]
    if reads and kind == "m":
        yield change.of("reads_row_secured", "posture.matview_over_row_security", _W)
    elif reads and kind == "v" and not change.after.get("security_invoker"):
        yield change.of("reads_row_secured", "posture.view_over_row_security", _W)
    elif reads or (change.before is not None and _differs(change, "reads_row_secured")):
        yield change.of("reads_row_secured", "posture.relation", _N)
    if change.before is None:
        if change.after.get("persistence") == "u":
            yield change.of("persistence", "posture.unlogged", _U)
        runs_as_owner = kind == "m" or (kind == "v" and not change.after.get("security_invoker"))
        is_shared = runs_as_owner and _is_granted(change.key, both) and not change.key.startswith(_SYSTEM)
        yield change.whole("posture.view_as_owner" if is_shared else "posture.relation", _U if is_shared else _N)
        return
    for name, _, new in change.attributes():
        if name in COLUMN_RULES:
            yield from COLUMN_RULES[name](change)
        elif name == "not_null":
            for column, is_new in change.members(name):
                yield change.member(name, column, is_new, "posture.not_null", _S if is_new else _W)
        elif name in _RELATION:
            code, weakened, strengthened = _RELATION[name]
            yield change.of(name, code, _W if new == weakened else _S if new == strengthened else _U)


_SYSTEM = ('"pg_catalog".', '"information_schema".')
"""Schemas of which a view comes with the server, or with a baseline that was taken before they were looked at."""


def _is_granted(key: str, both: Both) -> bool:
    """True when others than the owner have rights on the relation now, or on a column of it."""
    names = (f'"relation".{key}.', f'"column".{key}.')
    return any(grant.startswith(names) for grant in both.after.rows("grants"))


def policy(change: RowChange, both: Both) -> Iterator[Difference]:
    """A row security policy: a permissive one lets more through, a restrictive one less."""
    is_permissive = bool(change.value("is_permissive"))
    if change.before is None or change.after is None:
        if change.after is None and both.is_gone("relations", str(change.value("table"))):
            yield change.whole("posture.policy", _N)
            return
        is_wider = is_permissive if change.before is None else not is_permissive
        if change.before is None and both.is_new("relations", str(change.value("table"))):
            yield change.whole("posture.policy", _N)
            return
        yield change.whole("posture.policy", _W if is_wider else _S)
        return
    for name, _, new in change.attributes():
        if name == "is_permissive":
            yield change.of(name, "posture.policy_kind", _W if new else _S)
        elif name == "roles":
            for role, is_new in change.members(name):
                yield change.member(name, role, is_new, "posture.policy_roles", _W if is_new == is_permissive else _S)
        else:
            yield change.of(name, "posture.policy_changed", _U)


def rewrite_rule(change: RowChange, both: Both) -> Iterator[Difference]:
    """A rule makes another statement of one: nobody can tell what becomes of it."""
    if change.before is None or change.after is None:
        is_gone = change.after is None and both.is_gone("relations", str(change.value("table")))
        yield change.whole("posture.rewrite_rule", _N if is_gone else _U)
    for name, _, _ in change.attributes():
        yield change.of(name, "posture.rewrite_rule", _U)


def function(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A function: whose rights it runs with, from which path, and whether it is believed to leak nothing."""
    if change.after is None:
        yield change.whole("posture.function", _N)
        return
    runs_as_owner, has_path = bool(change.after.get("security_definer")), change.after.get("search_path") is not None
    if change.before is None:
        yield from _new_function(change, runs_as_owner=runs_as_owner, has_path=has_path)
        return
    for name, old, new in change.attributes():
        match name:
            case "leakproof":
                yield change.of(name, "posture.leakproof", _W if new else _S)
            case "security_definer":
                yield change.of(name, *(_definer(has_path) if new else ("posture.definer", _S)))
            case "search_path":
                code = "posture.definer_path" if runs_as_owner else "posture.function_path"
                weakens = runs_as_owner and new is None
                yield change.of(name, code, _W if weakens else _S if old is None else _U)
            case "settings":
                for setting, is_new in change.members(name):
                    is_harmless = rule_of(setting.partition("=")[0]) is None
                    effect = _N if is_harmless else _U
                    yield change.member(name, setting, is_new, "posture.function_setting", effect)
            case _ if name in _FUNCTION:
                yield change.of(name, _FUNCTION[name], _U)


_FUNCTION = {
    "owner": "posture.owner",
    "definition": "posture.function_body",
    "language": "posture.function_language",
    "volatility": "posture.function_volatility",
    "is_strict": "posture.function_strict",
    "arguments": "posture.function_arguments",
}
"""Attribute: its code. What these do to security nobody can tell."""


def _new_function(change: RowChange, *, runs_as_owner: bool, has_path: bool) -> Iterator[Difference]:
    """A system function is seen only when it leaks nothing, runs as its owner or carries settings: then that is new."""
    language = str(change.value("language"))
    if change.value("leakproof"):
        yield change.of("leakproof", "posture.leakproof", _W)
    if runs_as_owner:
        yield change.of("security_definer", *_definer(has_path))
    if language.endswith("u") or (not change.value("is_system") and language in ("c", "internal")):
        yield change.of("language", "posture.function_language", _U)
    yield change.whole("posture.function", _N)


def trigger(change: RowChange, both: Both) -> Iterator[Difference]:
    """A trigger that fires no more, or not as before. Triggers of constraints are seen only where they do not fire."""
    if change.value("is_internal"):
        effect = _S if change.after is None else _W
        yield change.whole("posture.constraint_trigger", effect)
        for name, _, _ in change.attributes():
            yield change.of(name, "posture.constraint_trigger", _W)
        return
    if change.before is None:
        yield change.whole("posture.trigger", _N if both.is_new("relations", str(change.value("table"))) else _U)
    elif change.after is None:
        is_gone = both.is_gone("relations", str(change.value("table")))
        yield change.whole("posture.trigger_removed", _N if is_gone else _W)
    for name, old, new in change.attributes():
        if name == "enabled":
            yield change.of(name, "posture.trigger_disabled", _enabled(old, new))
        else:
            yield change.of(name, "posture.trigger_changed", _U)


def event_trigger(change: RowChange, _both: Both) -> Iterator[Difference]:
    """An event trigger: what audits or forbids DDL."""
    if change.before is None or change.after is None:
        yield change.whole("posture.event_trigger", _U if change.before is None else _W)
    for name, old, new in change.attributes():
        if name == "enabled":
            yield change.of(name, "posture.event_trigger_disabled", _enabled(old, new))
        elif name == "tags":
            for tag, is_new in change.members(name):
                yield change.member(name, tag, is_new, "posture.event_trigger", _U)
        else:
            yield change.of(name, "posture.owner" if name == "owner" else "posture.event_trigger", _U)


def constraint(change: RowChange, both: Both) -> Iterator[Difference]:
    """A constraint that is gone, or that lets through what it did not."""
    if change.before is None:
        yield change.whole("posture.constraint", _S)
        return
    if change.after is None:
        table = change.value("table")
        is_gone = table is not None and both.is_gone("relations", str(table))
        yield change.whole("posture.constraint", _N if is_gone else _W)
        return
    for name, _, new in change.attributes():
        match name:
            case "is_validated":
                yield change.of(name, "posture.constraint_not_valid", _S if new else _W)
            case "is_enforced":
                yield change.of(name, "posture.constraint_not_enforced", _S if new else _W)
            case "is_deferrable" | "is_deferred":
                yield change.of(name, "posture.constraint_deferred", _W if new else _S)
            case _:
                yield change.of(name, "posture.constraint_changed", _U)


def index(change: RowChange, both: Both) -> Iterator[Difference]:
    """An index: most only make things fast; a unique one, or one that replicas are told rows by, does more."""
    if change.before is None:
        yield change.whole("posture.index", _N)
        return
    if change.after is None:
        is_gone = both.is_gone("relations", str(change.value("table")))
        yield change.whole(_index_code(change), _N if is_gone or not _guards(change) else _W)
        return
    for name, old, new in change.attributes():
        match name:
            case "table" if _is_same(both, str(old), str(new)):
                yield change.of(name, "posture.index_changed", _N)
            case "is_unique" | "is_primary" | "is_exclusion" | "is_immediate":
                yield change.of(name, "posture.index_unique", _S if new else _W)
            case "is_replica_identity":
                yield change.of(name, "posture.index_replica_identity", _S if new else _W)
            case "is_valid":
                effect = (_S if new else _W) if _guards(change) else _N
                yield change.of(name, "posture.index_invalid", effect)
            case _:
                yield change.of(name, "posture.index_changed", _U if _guards(change) else _N)


def _is_same(both: Both, old: str, new: str) -> bool:
    """True when that table goes by the other name now."""
    then, now = both.before.row("relations", old), both.after.row("relations", new)
    return then is not None and now is not None and then.get("oid") is not None and then.get("oid") == now.get("oid")


def _guards(change: RowChange) -> bool:
    return any(change.value(name) for name in ("is_unique", "is_exclusion", "is_replica_identity"))


def _index_code(change: RowChange) -> str:
    if change.value("is_replica_identity"):
        return "posture.index_replica_identity"
    if change.value("is_exclusion"):
        return "posture.index_exclusion"
    return "posture.index_unique" if change.value("is_unique") else "posture.index"


def _definer(has_path: bool) -> tuple[str, Effect]:
    """A function with its owner's rights and without a path of its own runs what its caller puts in the way."""
    return ("posture.definer", _U) if has_path else ("posture.definer_path", _W)


def _enabled(old: object, new: object) -> Effect:
    """O fires on the origin, A always, R only on a replica, D never."""
    ranks = {"D": 0, "R": 1, "O": 2, "A": 3}
    return _W if ranks.get(str(new), 0) < ranks.get(str(old), 0) else _S


def _differs(change: RowChange, name: str) -> bool:
    return any(each == name for each, _, _ in change.attributes())
