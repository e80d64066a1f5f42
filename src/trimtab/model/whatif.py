"""The what-if port: what would the planner do if these changes were there? Answers are plans; nothing is run.

Proposers and predictors see this protocol alone. The statistics twin implements it, and so does HypoPG on a server that
has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trimtab.model.change import Change, CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.workload import Query


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
        configurations: Sequence[tuple[Change, ...]],
        *,
        generic: bool | None = None,
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per configuration, the plan of each query. `()` is the source as is. Nothing leaks between calls.

        A query with values for its `$n` is planned for these values, another for any values (a generic plan). With
        `generic` true all that have `$n` are planned for any values; with false, one without values is a failure.
        """
        ...

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        """Return the estimated sizes of indexes that do not exist yet; None for one that the server would refuse."""
        ...

    def refusal(self, change: CreateIndex) -> str | None:
        """Return why the server would refuse the index, None when it would not."""
        ...

    @property
    def planner_calls(self) -> int:
        """Planner calls made so far."""
        ...
