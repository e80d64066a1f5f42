"""Why a query's plan is another one: what differs between two moments, and the proof of which difference did it.

Plain values that name tables, indexes and settings, never a value of a row or of a parameter; and the port through
which who decides has plans made with differences taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape
from trimtab.model.whatif import PlanFailure

Name: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """What ANALYZE and VACUUM left of a table, its partitions, its indexes and its statistics objects is another."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"statistics of {self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class TableSize:
    """The lengths of a table's files, those of its partitions and indexes too.

    Rows are what the planner takes them for; `pages` are those of the table and its partitions alone.
    """

    schema: str
    table: str
    rows_before: float
    rows_now: float
    pages_before: int
    pages_now: int

    def __str__(self) -> str:
        return f"size of {self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class ObjectStatistics:
    """A statistics object was created, dropped or changed, or holds nothing any more. `schema` is the table's."""

    object_schema: str
    name: str
    schema: str
    table: str
    how: str

    def __str__(self) -> str:
        return f"extended statistics {self.object_schema}.{self.name} of {self.schema}.{self.table} {self.how}"


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """An index was created, dropped or changed. `known_as` is its name in shapes of plans, "" for its own.

    One that a lock has put back has another name than the one for which it stands.
    """

    schema: str
    name: str
    table: str
    how: str
    known_as: str = ""

    def __str__(self) -> str:
        return f"index {self.schema}.{self.name} on {self.table} {self.how}"


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A planner setting has another value. `level` is server, database, all roles, role, role in database or function.

    `scope` is the name of the database, role or function, "" for the server.
    """

    name: str
    level: str
    scope: str

    def __str__(self) -> str:
        return f"setting {self.name} of {' '.join(part for part in (self.level, self.scope) if part)}"


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """The server is of another major version."""

    before: int
    now: int

    def __str__(self) -> str:
        return f"server version {self.before} to {self.now}"


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """A table or view is defined otherwise, is new, or is gone; `table` is "" for what is neither."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"schema of {self.schema}.{self.table}" if self.table else "schema of other objects"


@dataclass(frozen=True, slots=True)
class PlanningDifference:
    """The statement is planned for any values (`is_generic_now`) and was for its own before, or the reverse."""

    is_generic_now: bool

    def __str__(self) -> str:
        return (
            "generic plan in place of a custom one" if self.is_generic_now else "custom plan in place of a generic one"
        )


@dataclass(frozen=True, slots=True)
class ParameterDifference:
    """Its values are of another class than those of before, for which the plan is as it was."""

    def __str__(self) -> str:
        return "parameters of another class"


Difference: TypeAlias = (
    TableStatistics
    | TableSize
    | ObjectStatistics
    | IndexDifference
    | SettingDifference
    | VersionDifference
    | SchemaDifference
    | PlanningDifference
    | ParameterDifference
)


class CauseKind(StrEnum):
    """What kind of thing made a query slower, or its plan another one."""

    HOST = "host"
    LOAD = "load"
    DATA_GROWTH = "data growth"
    BLOAT = "bloat"
    STATISTICS = "statistics"
    EXTENDED_STATISTICS = "extended statistics"
    INDEX = "index"
    SETTING = "setting"
    VERSION = "version"
    SCHEMA = "schema"
    GENERIC_PLAN = "generic plan"
    PARAMETERS = "parameters"
    PLAN = "plan change"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Replanning:
    """One plan of the proof: which differences were taken back, and what the planner made of it then.

    `is_generic` says that it was planned for any values. `shape` is "" and `cost` None where nothing could be planned;
    `reason` says why.
    """

    without: tuple[Difference, ...]
    is_generic: bool
    shape: str
    cost: float | None
    is_old_shape: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Why a plan flipped. `kind` is None where nothing was proven; `reason` says what was found, in words.

    `causes` are the differences that, taken back together and no fewer, bring the old shape back. `proof` is all plans
    in the order in which they were made, `engine_version` the planner's that made them (server_version_num).
    """

    kind: CauseKind | None
    causes: tuple[Difference, ...]
    reason: str
    old: PlanShape
    new: PlanShape
    proof: tuple[Replanning, ...]
    engine_version: int

    @property
    def is_attributed(self) -> bool:
        """True when a cause was proven."""
        return self.kind is not None


class Moments(Protocol):
    """Two moments of one database and one query: plans it as it is now, with any of the differences taken back."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All that is another than it was, of the database, as far as plans depend on it."""
        ...

    @property
    def relations(self) -> frozenset[Name]:
        """(schema, table) of what the planner looks at for the query, partitions by their topmost parent."""
        ...

    @property
    def modes(self) -> tuple[bool, ...]:
        """Whether it can be planned for its own values (False), for any (True), or both."""
        ...

    @property
    def engine_version(self) -> int:
        """The version of the planner that is asked, as server_version_num."""
        ...

    def planned(self, without: Sequence[Difference] = (), *, is_generic: bool) -> Plan | PlanFailure:
        """Return the plan with these differences taken back."""
        ...

    def planned_with(self, settings: Sequence[Mapping[str, str]], *, is_generic: bool) -> list[Plan | PlanFailure]:
        """Return the plans of now, with each of these sets of planner settings in force."""
        ...

    def planned_for_others(self) -> list[Plan | PlanFailure]:
        """Return the statement's plans of now for other values that are known of it."""
        ...

    def shape_of(self, plan: Plan) -> PlanShape:
        """Return the plan's shape, partitions folded."""
        ...
