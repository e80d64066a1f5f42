"""Chooses by what a plan can be locked here: the ways that the cause, the server and the rights leave, the best first.

Pure. Best is what takes the cause away and nothing else, is seen by all sessions at once, and outlasts an ANALYZE. Each
way that is closed is told with its reason, so that nobody has to guess why a plan is held as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from trimtab.anchor.hints import HINT_PLAN, STASH_ADVICE, STASH_SINCE
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    role_in_database,
    touched_table,
)

_RESTORED_SINCE = 180000
_USUAL_TARGET = 100
_FINER = 10
_NUMBERS_DIFFER = 2.0


class Cause(StrEnum):
    """Why the anchored plan is not chosen any more. The words are those of an attribution's kinds."""

    INDEX = "index"
    SETTING = "setting"
    GENERIC_PLAN = "generic plan"
    EXTENDED_STATISTICS = "extended statistics"
    STATISTICS = "statistics"
    UNKNOWN = "unknown"


class MechanismKind(StrEnum):
    """The ways to hold a plan."""

    INDEX = "index put back"
    EXTENDED_STATISTICS = "extended statistics"
    SETTING = "setting"
    PLAN_CACHE_MODE = "plan_cache_mode"
    RESTORED_STATISTICS = "statistics restored"
    DISTINCT = "n_distinct"
    TARGET = "statistics target"
    PLAN_ADVICE = "plan advice"
    HINT_TABLE = "hint table"
    STEERING = "steering settings"


@dataclass(frozen=True, slots=True)
class ColumnThen:
    """What the anchor's statistics say of a column that the query's conditions read, and what those of now say.

    Numbers of distinct values are as pg_stats has them; `target` is what is set for the column now, None for nothing.
    """

    schema: str
    table: str
    column: str
    distinct_then: float | None
    distinct_now: float | None
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of the flip: the cause, and what was there when the plan was anchored.

    `index_names` are the names that the `indexes` had, `index_bytes` what they took. `settings` are (name, value of
    then) of planner settings that have another value now. `restorable` are the anchor's statistics of tables that the
    query reads, each as a change that stores them. `was_generic` is how the anchored plan was made, None where nobody
    knows.
    """

    cause: Cause
    indexes: tuple[CreateIndex, ...] = ()
    index_names: tuple[str, ...] = ()
    index_bytes: int = 0
    statistics_objects: tuple[CreateStatistics, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    columns: tuple[ColumnThen, ...] = ()
    restorable: tuple[RestoreStatistics, ...] = ()
    was_generic: bool | None = None


@dataclass(frozen=True, slots=True)
class Capability:
    """What the server has and the role may do.

    `settable` are scopes as a Snapshot's `settable_scopes` name them; `scopes` those that the query runs in, as
    (scope, scope name) of a SetSetting, the narrowest first; `owned` are tables of the role's. `extensions` are
    versions by name. `most_target` is the specification's.
    """

    server_version: int
    settable: frozenset[str]
    scopes: tuple[tuple[str, str], ...]
    owned: frozenset[tuple[str, str]]
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])
    most_target: int = 1000


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One way: the changes that lock the plan, none where it is by an extension's own SQL; and why, in words."""

    kind: MechanismKind
    changes: tuple[Change, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The ways that are open, the best first; and those that are closed, with the reason."""

    mechanisms: tuple[Mechanism, ...]
    closed: tuple[tuple[MechanismKind, str], ...]


_ORDERS: Mapping[Cause, tuple[MechanismKind, ...]] = {
    Cause.INDEX: (MechanismKind.INDEX,),
    Cause.SETTING: (MechanismKind.SETTING,),
    Cause.GENERIC_PLAN: (MechanismKind.PLAN_CACHE_MODE,),
    Cause.EXTENDED_STATISTICS: (MechanismKind.EXTENDED_STATISTICS, MechanismKind.RESTORED_STATISTICS),
    Cause.STATISTICS: (
        MechanismKind.RESTORED_STATISTICS,
        MechanismKind.DISTINCT,
        MechanismKind.TARGET,
        MechanismKind.EXTENDED_STATISTICS,
    ),
    Cause.UNKNOWN: (
        MechanismKind.INDEX,
        MechanismKind.EXTENDED_STATISTICS,
        MechanismKind.SETTING,
        MechanismKind.PLAN_CACHE_MODE,
        MechanismKind.RESTORED_STATISTICS,
    ),
}
# These say the plan itself, whatever the cause: after what takes the cause away.
_SAYING_THE_PLAN = (MechanismKind.PLAN_ADVICE, MechanismKind.HINT_TABLE)


def choose(situation: Situation, capability: Capability) -> Choice:
    """Return the ways to lock the anchored plan. The same situation always gives the same ways, in the same order."""
    found: list[Mechanism] = []
    closed: list[tuple[MechanismKind, str]] = []
    for kind in (*_ORDERS[situation.cause], *_SAYING_THE_PLAN):
        answers = list(_ways(kind, situation, capability))
        found += [answer for answer in answers if isinstance(answer, Mechanism)]
        closed += [(kind, answer) for answer in answers if isinstance(answer, str)]
    return Choice(tuple(found), tuple(closed))


def steered(settings: Mapping[str, str], capability: Capability) -> Choice:
    """Return the ways to set what steers the planner to the anchored plan, for a role or a function.

    Never for the database: it would hold for everybody, and for queries that nobody has looked at.
    """
    kind = MechanismKind.STEERING
    narrow = replace(capability, scopes=tuple(scope for scope in capability.scopes if scope[0] != "database"))
    if not narrow.scopes:
        why = "settings that steer would hold for the whole database: say which role runs the query (--role)"
        return Choice((), ((kind, why),))
    reason = f"with {', '.join(sorted(settings))} the planner of now makes the anchored plan"
    answers = list(_settings(kind, sorted(settings.items()), narrow, reason))
    return Choice(
        tuple(answer for answer in answers if isinstance(answer, Mechanism)),
        tuple((kind, answer) for answer in answers if isinstance(answer, str)),
    )


def _ways(kind: MechanismKind, situation: Situation, capability: Capability) -> Iterator[Mechanism | str]:
    match kind:
        case MechanismKind.INDEX:
            yield from _on_tables(kind, situation.indexes, capability, "the index that the plan used is not there")
        case MechanismKind.EXTENDED_STATISTICS:
            reason = "the plan rested on estimates over several columns"
            yield from _on_tables(kind, situation.statistics_objects, capability, reason)
        case MechanismKind.SETTING:
            yield from _settings(kind, situation.settings, capability, "the planner was told otherwise")
        case MechanismKind.PLAN_CACHE_MODE:
            yield from _plan_cache_mode(situation, capability)
        case MechanismKind.RESTORED_STATISTICS:
            yield from _restored(situation, capability)
        case MechanismKind.DISTINCT:
            yield from _on_tables(
                kind, _distinct(situation.columns), capability, "ANALYZE finds another number of distinct values"
            )
        case MechanismKind.TARGET:
            yield from _on_tables(
                kind, _targets(situation.columns, capability), capability, "ANALYZE keeps too little of the columns"
            )
        case MechanismKind.PLAN_ADVICE:
            yield _extension(kind, STASH_ADVICE, capability, since=STASH_SINCE)
        case MechanismKind.HINT_TABLE:
            yield _extension(kind, HINT_PLAN, capability)


def _on_tables(
    kind: MechanismKind, changes: Sequence[Change], capability: Capability, reason: str
) -> Iterator[Mechanism | str]:
    if not changes:
        yield "nothing of this kind differs"
        return
    foreign = sorted(
        {table for change in changes if (table := touched_table(change)) and table not in capability.owned}
    )
    if foreign:
        yield "the role does not own " + ", ".join(".".join(table) for table in foreign)
        return
    yield Mechanism(kind, tuple(changes), reason)


def _settings(
    kind: MechanismKind, settings: Sequence[tuple[str, str]], capability: Capability, reason: str
) -> Iterator[Mechanism | str]:
    """One way for each scope in which the role may set them, the narrowest first: others are least touched by it."""
    if not settings:
        yield "nothing of this kind differs"
        return
    closed = []
    for scope, scope_name in capability.scopes:
        changes = tuple(SetSetting(scope, scope_name, name, value) for name, value in settings)
        needed = changes[0].scope_key
        if scope == "role_in_database":
            needed = f"role:{changes[0].role_and_database[0]}"
        if needed in capability.settable:
            yield Mechanism(kind, changes, f"{reason}, for {scope.replace('_', ' ')}")
        else:
            closed.append(scope.replace("_", " "))
    if closed or not capability.scopes:
        yield "the role may not set settings for " + (", ".join(closed) or "any scope that the query runs in")


def _plan_cache_mode(situation: Situation, capability: Capability) -> Iterator[Mechanism | str]:
    kind = MechanismKind.PLAN_CACHE_MODE
    if situation.was_generic is None:
        yield "it is not known how the anchored plan was made"
        return
    mode = "force_generic_plan" if situation.was_generic else "force_custom_plan"
    reason = "the anchored plan was made for any values" if situation.was_generic else "it was made for its own values"
    yield from _settings(kind, (("plan_cache_mode", mode),), capability, reason)


def _restored(situation: Situation, capability: Capability) -> Iterator[Mechanism | str]:
    if capability.server_version < _RESTORED_SINCE:
        yield f"the server is of version {capability.server_version // 10000}: statistics can be stored since 18"
        return
    if not situation.restorable:
        yield "the anchor's statistics are not kept here, or are those of now"
        return
    reason = "statistics as the anchor has them, until the next ANALYZE"
    yield from _on_tables(MechanismKind.RESTORED_STATISTICS, situation.restorable, capability, reason)


def _distinct(columns: Sequence[ColumnThen]) -> list[Change]:
    """A number of the anchor's, where ANALYZE finds one that is another by a factor."""
    return [
        SetDistinct(c.schema, c.table, c.column, _whole(c.distinct_then))
        for c in columns
        if c.distinct_then and c.distinct_now and _are_apart(c.distinct_then, c.distinct_now)
    ]


def _are_apart(then: float, now: float) -> bool:
    """Counts and shares of the rows are not told apart by their ratio: a change of one to the other counts as apart."""
    if (then < 0) != (now < 0):
        return True
    return max(then / now, now / then) >= _NUMBERS_DIFFER


def _whole(distinct: float) -> float:
    return distinct if distinct < 0 else float(max(1, round(distinct)))


def _targets(columns: Sequence[ColumnThen], capability: Capability) -> list[Change]:
    changes: list[Change] = []
    for column in columns:
        target = min((column.target or _USUAL_TARGET) * _FINER, capability.most_target)
        if target > (column.target or _USUAL_TARGET):
            changes.append(SetStatisticsTarget(column.schema, column.table, column.column, target))
    return changes


def _extension(kind: MechanismKind, name: str, capability: Capability, since: int = 0) -> Mechanism | str:
    if capability.server_version < since:
        return f"the server is of version {capability.server_version // 10000}: it is there since {since // 10000}"
    if name not in capability.extensions:
        return f"{name} is not installed in this database"
    return Mechanism(kind, (), f"{name} is installed: it takes the plan itself, by SQL that is written and not run")


def scopes_of(role: str, database: str, function: str | None = None) -> tuple[tuple[str, str], ...]:
    """Return the scopes in which a query of that role runs, the narrowest first. `function` is a SetSetting's name."""
    within = () if function is None else (("function", function),)
    return (*within, ("role_in_database", role_in_database(role, database)), ("role", role), ("database", database))
