"""Rules on what the session's role may do. They hold where changes are to be made: anyone may consider them.

Each right is asked of the server, never guessed. What a change could not be taken back without counts as needed too.
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.model.catalog import Table
from trimtab.model.change import (
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
from trimtab.model.strategy import Strategy, Violation
from trimtab.spec.specification import Specification
from trimtab.validate.case import Case, Findings, Rule, TableChange, broken, label
from trimtab.validate.facts import Facts


def not_owner(case: Case) -> Findings:
    """Indexes and statistics are made by the table's owner, so the role must be it or one of its members."""

    def violation(path: str, change: TableChange) -> Violation:
        return broken(
            "objects.not_owner",
            f"{label(change.schema, change.table)} cannot be changed by this role",
            f"{path}.table",
            expected="its owner, or a member of it",
            actual="another role",
        )

    return _on_tables(case, lambda table: table.is_owned, violation)


def no_create(case: Case) -> Findings:
    """The role has CREATE on the schema. To own the table is not enough to make an index or a statistics object on it,
    nor to put one back that was dropped. It is to rebuild one.
    """

    def violation(path: str, change: TableChange) -> Violation:
        return broken(
            "objects.no_create",
            f"{_act(change)} by this role",
            f"{path}.schema",
            expected=f"a role that has CREATE on schema {label(change.schema)}",
            actual="a role without it",
        )

    return _on_tables(
        case,
        lambda table: table.may_create,
        violation,
        but=(SetStatisticsTarget, SetDistinct, RestoreStatistics, RebuildIndex, LeaveIndex),
    )


def _on_tables(
    case: Case,
    is_granted: Callable[[Table], bool],
    violation: Callable[[str, TableChange], Violation],
    *,
    but: tuple[type, ...] = (),
) -> Findings:
    """Return a violation for each change to a table without the right; None where no right on a table is needed.

    Changes of the kinds `but` do not need it.
    """
    touched = [(path, change) for path, change in case.pending_on_tables() if not isinstance(change, but)]
    if not case.facts.is_applying or not touched:
        return None
    return [
        violation(path, change)
        for path, change in touched
        if (table := case.facts.table(change.schema, change.table)) is not None and not is_granted(table)
    ]


def _act(change: TableChange) -> str:
    match change:
        case CreateIndex():
            return f"index {label(change.schema, change.name)} cannot be created"
        case CreateStatistics():
            return f"statistics object {label(change.schema, change.name)} cannot be created"
        case RebuildIndex() | LeaveIndex():
            return f"{label(change.schema, change.name)} cannot be rebuilt"
        case DropIndex() | DropStatistics():
            return f"{label(change.schema, change.name)} cannot be dropped, since it could not be put back,"
        case SetStatisticsTarget() | SetDistinct():
            return f"statistics of {label(change.schema, change.table, change.column)} cannot be set"
        case RestoreStatistics():
            return f"statistics of {label(change.schema, change.table)} cannot be stored"


def no_tablespace(case: Case) -> Findings:
    """A new index goes to default_tablespace, where the role must have CREATE if it is not the database's own."""
    made = case.pending(CreateIndex)
    if not case.facts.is_applying or not made:
        return None
    tablespace = case.facts.forbidden_tablespace
    if tablespace is None:
        return []
    return [
        broken(
            "objects.no_tablespace",
            f"index {label(change.schema, change.name)} cannot be created by this role",
            path,
            expected="a default_tablespace on which the role has CREATE",
            actual=label(tablespace),
        )
        for path, change in made
    ]


def not_settable(case: Case) -> Findings:
    """Settings for the database, and for a function, are its owner's to make; those for a role its own, in all
    databases or in one, or for who administers it.
    """
    chosen = case.pending(SetSetting)
    if not case.facts.is_applying or not chosen:
        return None
    return [
        broken(
            "settings.not_owner",
            f"settings for {change.scope} {label(change.scope_name)} cannot be changed by this role",
            f"{path}.scope_name",
            expected=_SETTERS[change.scope],
            actual="another role",
        )
        for path, change in chosen
        if (needed := _needed_scope(change, case.facts)) is not None and needed not in case.facts.settable_scopes
    ]


_SETTERS = {
    "database": "the database's owner, or a member of it",
    "role": "the role itself, or one that administers it",
    "role_in_database": "the role itself, or one that administers it",
    "function": "a function that is there, and its owner, or a member of it",
}


def _needed_scope(change: SetSetting, facts: Facts) -> str | None:
    """Return the scope for which the role must be allowed to set settings; None where another rule refuses."""
    if not change.is_named_well or change.scope not in _SETTERS:
        return None
    if change.scope == "database" and change.scope_name != facts.database:
        return None
    return f"role:{change.role_and_database[0]}" if change.scope == "role_in_database" else change.scope_key


RIGHTS: tuple[Rule, ...] = (
    Rule("objects.not_owner", not_owner),
    Rule("objects.no_create", no_create),
    Rule("objects.no_tablespace", no_tablespace),
    Rule("settings.not_owner", not_settable),
)


def missing_rights(strategy: Strategy, spec: Specification, facts: Facts) -> tuple[Violation, ...]:
    """Return what keeps the role from applying the strategy. `facts` are those of a run that applies."""
    case = Case(strategy, spec, facts)
    return tuple(violation for rule in RIGHTS for violation in rule.check(case) or ())
