"""One strategy before the rules: its changes, and the indexes as they would be after it. Derives; judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

from trimtab.model.catalog import Table
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
from trimtab.model.strategy import Strategy, Violation
from trimtab.spec.specification import Specification
from trimtab.validate.definition import IndexShape, shape_of_index, shape_of_tail
from trimtab.validate.facts import Facts

TableChange: TypeAlias = (
    CreateIndex
    | DropIndex
    | CreateStatistics
    | DropStatistics
    | SetStatisticsTarget
    | SetDistinct
    | RestoreStatistics
    | RebuildIndex
    | LeaveIndex
)
_C = TypeVar(
    "_C",
    CreateIndex,
    DropIndex,
    CreateStatistics,
    DropStatistics,
    SetSetting,
    SetStatisticsTarget,
    SetDistinct,
    RestoreStatistics,
    RebuildIndex,
)


@dataclass(frozen=True)
class Case:
    """What a rule looks at."""

    strategy: Strategy
    spec: Specification
    facts: Facts

    def pending(self, kind: type[_C]) -> list[tuple[str, _C]]:
        """Return the strategy's changes of that kind that are not done yet, each with its path."""
        return [(path, change) for path, change in self.all_pending if isinstance(change, kind)]

    def pending_on_tables(self) -> list[tuple[str, TableChange]]:
        """Return the changes not done yet that touch a table, each with its path."""
        return [(path, change) for path, change in self.all_pending if not isinstance(change, SetSetting)]

    def pending_with_tables(self, kind: type[_C]) -> list[tuple[str, _C, Table]]:
        """Return the changes of that kind not done yet whose table is known, each with its path and its table."""
        found: list[tuple[str, _C, Table]] = []
        for path, change in self.pending(kind):
            table = None if isinstance(change, SetSetting) else self.facts.table(change.schema, change.table)
            if table is not None:
                found.append((path, change, table))
        return found

    def earlier(self) -> Iterator[Change]:
        """Yield the changes of the strategies that the run has accepted before this one."""
        for strategy in self.facts.accepted:
            if strategy.id != self.strategy.id:
                yield from strategy.changes

    def others(self, path: str) -> Iterator[Change]:
        """Yield every change of the run so far, except the one at the path."""
        yield from self.earlier()
        for position, change in enumerate(self.strategy.changes):
            if f"changes[{position}]" != path:
                yield change

    def indexes_after(self, table: Table, without: str = "") -> dict[str, IndexShape]:
        """Return the table's usable indexes by name as they would be after the whole strategy.

        What the change at the path `without` creates is left out.
        """
        shapes = {index.name: shape_of_index(index) for index in table.indexes if index.is_valid}
        for change in self.others(without):
            if isinstance(change, CreateIndex) and (change.schema, change.table) == (table.schema, table.name):
                shape = shape_of_tail(change.tail)
                if shape is not None:
                    shapes.setdefault(change.name, shape)
        for change in (*self.earlier(), *self.strategy.changes):
            if isinstance(change, DropIndex) and (change.schema, change.table) == (table.schema, table.name):
                shapes.pop(change.name, None)
        return shapes

    @cached_property
    def all_pending(self) -> tuple[tuple[str, Change], ...]:
        """The changes that are not done yet, each with its path; most rules ask for them."""
        done = self.facts.done
        return tuple((f"changes[{n}]", change) for n, change in enumerate(self.strategy.changes) if change not in done)


Findings: TypeAlias = list[Violation] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id, and the function that returns its violations, or None when it has nothing to say here."""

    id: str
    check: Callable[[Case], Findings]


def broken(rule_id: str, what: str, path: str, *, expected: str, actual: str) -> Violation:
    """Return the violation, its message saying what was refused, what was found and what is allowed."""
    return Violation(rule_id, f"{what}: found {actual}, allowed {expected}", path, expected, actual)


def label(*parts: str) -> str:
    """Return a name for people. What a terminal would not print is escaped: names are untrusted."""
    return ".".join(part if part.isprintable() else ascii(part)[1:-1] for part in parts)
