"""Which differences in security a change declares, and which of those that were found it does not.

A change of ours touches one row, or none. Whatever else differs and weakens, or cannot be told, is not its doing or not
its right; and what is always blocked no change can declare. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, assert_never

from trimtab.db.definitions import is_plain
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
    touched_table,
)
from trimtab.security.catalogue import item
from trimtab.security.difference import Difference
from trimtab.security.read import definition_digest, quoted
from trimtab.security.snapshot import Row


class Anything(Enum):
    """Stands for any value."""

    ANYTHING = "anything"


@dataclass(frozen=True, slots=True)
class Beginning:
    """Stands for any text that begins so."""

    text: str


ANYTHING: Final = Anything.ANYTHING
Pattern: TypeAlias = "Row | str | Beginning | Anything | None"
"""What is to be there: a row with these attributes at least, a text, or with None nothing."""

_GUARDS_NOTHING: Row = {
    "is_unique": False,
    "is_primary": False,
    "is_exclusion": False,
    "is_replica_identity": False,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A difference that a change declares: where it is, and what is there before and after it."""

    section: str
    key: str
    attribute: str
    before: Pattern
    after: Pattern

    def covers(self, found: Difference) -> bool:
        """True when it is this difference, and no other one at its place."""
        place = (found.section, found.key, found.attribute)
        is_here = place == (self.section, self.key, self.attribute)
        return is_here and _fits(self.before, found.before) and _fits(self.after, found.after)


def expected(change: Change) -> tuple[Expected, ...]:
    """Return what the change declares: an index its own row, a setting its own, statistics nothing."""
    match change:
        case CreateIndex():
            return (Expected("indexes", quoted((change.schema, change.name)), "", None, _index(change)),)
        case DropIndex():
            return (Expected("indexes", quoted((change.schema, change.name)), "", _index(change), None),)
        case SetSetting():
            return _setting(change)
        case CreateStatistics() | DropStatistics() | SetStatisticsTarget() | SetDistinct() | RestoreStatistics():
            return ()  # they decide what the planner believes, and are no part of security
        case RebuildIndex() | LeaveIndex():
            return ()  # the index means the same before and after
        case _:
            assert_never(change)


def undeclared(differences: Sequence[Difference], change: Change) -> tuple[Difference, ...]:
    """Return the differences that may not stand: those that weaken, or that nobody can tell, and are not declared.

    At the change's own row, and at its table's, everything else counts, however harmless: the change did what it did
    not say. Elsewhere what is neutral or strengthened is somebody else's, and passes.
    """
    declared = expected(change)
    own = {(each.section, each.key) for each in declared}
    table = touched_table(change)
    if table is not None:
        own.add(("relations", quoted(table)))
    return tuple(each for each in differences if not _may_stand(each, declared, own))


def _may_stand(found: Difference, declared: Sequence[Expected], own: set[tuple[str, str]]) -> bool:
    if any(each.covers(found) for each in declared):
        return not (item(found.code).is_blocked and found.effect.counts_as_weakened)
    if (found.section, found.key) in own:
        return False
    return not found.effect.counts_as_weakened


def _index(change: CreateIndex | DropIndex) -> Row:
    row: Row = {**_GUARDS_NOTHING, "table": quoted((change.schema, change.table))}
    if isinstance(change, DropIndex):
        return row
    row = {**row, "is_valid": True}
    # A function or type in it is written here as one search path shows it, and in a snapshot in full. That such an
    # index is the one that was meant the enforcement point has seen in the catalog.
    return {**row, "definition": definition_digest(change.tail)} if is_plain(change.tail) else row


def _setting(change: SetSetting) -> tuple[Expected, ...]:
    if change.scope == "function":
        held = Beginning(f"{change.name}=")
        return (
            Expected("functions", change.scope_name, "settings", None, held),
            Expected("functions", change.scope_name, "settings", held, None),
        )
    if change.scope == "role_in_database":
        role, database = change.role_and_database
    else:
        role, database = ("", change.scope_name) if change.scope == "database" else (change.scope_name, "")
    key, value = quoted((role, database, change.name)), change.value
    name: Row = {"setting": change.name}
    # A new session of the role or database has the value of its scope, and not the server's own.
    in_force = [Expected("settings", change.name, attribute, ANYTHING, ANYTHING) for attribute in ("value", "source")]
    if value is None:
        return (Expected("role_settings", key, "", name, None), *in_force)
    return (
        Expected("role_settings", key, "", None, {**name, "value": value}),
        Expected("role_settings", key, "value", ANYTHING, value),
        *in_force,
    )


def _fits(pattern: Pattern, value: object) -> bool:
    if pattern is ANYTHING:
        return True
    if isinstance(pattern, Beginning):
        return isinstance(value, str) and value.startswith(pattern.text)
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and all(value.get(name) == wanted for name, wanted in pattern.items())
    return value == pattern
