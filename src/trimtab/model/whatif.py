"""The what-if port: what would the planner do if these changes were there? Answers are plans; nothing is run.

Proposers and predictors see this protocol alone. The statistics twin implements it, and so does HypoPG on a server that
has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias

from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropStatistics,
    change_digest,
    qualified,
    quote_identifier,
    touched_table,
)
from trimtab.model.plan import Plan
from trimtab.model.workload import Query


@dataclass(frozen=True, slots=True)
class StatisticsTarget:
    """A column's statistics at another target (0 to 10000, -1 is the default), after ANALYZE. Thought, never applied.

    At target 0 ANALYZE leaves the statistics that are there.
    """

    schema: str
    table: str
    column: str
    target: int

    kind = "statistics_target"

    def sql(self) -> str:
        """Return the statement that it imagines, followed by ANALYZE. Raises ValueError for names that cannot be."""
        column = quote_identifier(self.column)
        return f"ALTER TABLE {qualified(self.schema, self.table)} ALTER COLUMN {column} SET STATISTICS {self.target}"


@dataclass(frozen=True, slots=True)
class DropStatisticsElsewhere(DropStatistics):
    """Thinks a statistics object away that is in another schema than its table: `schema` is the object's."""

    table_schema: str = ""


@dataclass(frozen=True, slots=True)
class CreateExpressionStatistics(CreateStatistics):
    """Statistics on expressions, and on columns beside them, after ANALYZE. Thought, never applied.

    `expressions` are SQL. `kinds` are empty for one expression alone, of which there is one kind.
    """

    expressions: tuple[str, ...] = ()

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement. Raises ValueError for names that cannot be."""
        kinds = f" ({', '.join(self.kinds)})" if self.kinds else ""
        on = ", ".join([*map(quote_identifier, self.columns), *(f"({expression})" for expression in self.expressions)])
        return f"CREATE STATISTICS {qualified(self.schema, self.name)}{kinds} ON {on} FROM " + qualified(
            self.schema, self.table
        )


Hypothesis: TypeAlias = Change | StatisticsTarget
"""What a configuration may hold: changes that can be applied, and what can only be thought."""


@lru_cache(maxsize=1 << 16)
def hypothesis_digest(hypothesis: Hypothesis) -> str:
    """Return SHA-256, in hexadecimal, of what it is: a change's own digest."""
    if isinstance(hypothesis, StatisticsTarget | CreateExpressionStatistics):
        return hashlib.sha256(repr((hypothesis.kind, *astuple(hypothesis))).encode()).hexdigest()
    return change_digest(hypothesis)


def hypothesis_table(hypothesis: Hypothesis) -> tuple[str, str] | None:
    """Return (schema, table) that it touches, or None for a setting."""
    if isinstance(hypothesis, StatisticsTarget):
        return hypothesis.schema, hypothesis.table
    if isinstance(hypothesis, DropStatisticsElsewhere):
        return hypothesis.table_schema, hypothesis.table
    return touched_table(hypothesis)


@dataclass(frozen=True, slots=True)
class PlanFailure:
    """A query that could not be planned: the SQLSTATE, and the server's message without literals."""

    sqlstate: str
    reason: str


class WhatIf(Protocol):
    """Plans queries under sets of hypothetical changes."""

    def what_if(
        self,
        queries: Sequence[Query],
        configurations: Sequence[tuple[Hypothesis, ...]],
        *,
        generic: bool | None = None,
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per configuration, the plan of each query. `()` is the source as is. Nothing leaks between calls.

        A query with values for its `$n` is planned for these values, another for any values (a generic plan). With
        `generic` true all that have `$n` are planned for any values; with false, one without values is a failure.
        """
        ...

    def what_if_each(
        self, groups: Sequence[tuple[Sequence[Query], tuple[Hypothesis, ...]]]
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per group, the plan of each of its queries under its changes; as `what_if` without `generic`.

        Plans may be told in brief, for they are many: costs, rows, nodes and indexes as they are, but neither schemas
        of relations nor what a node returns ("Output").
        """
        ...

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        """Return the estimated sizes of indexes that do not exist yet; None for one that the server would refuse."""
        ...

    def refusal(self, change: CreateIndex, among: Sequence[Hypothesis] = ()) -> str | None:
        """Return why the server would refuse the index in a configuration of these, None when it would not."""
        ...

    @property
    def planner_calls(self) -> int:
        """Planner calls made so far."""
        ...
