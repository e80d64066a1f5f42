"""What runs: queries, their weights and the parameters that a trial binds. Never where they came from on the wire.

Texts may hold literals, so a Query never enters the ledger; its `id`, which is made from the normalised text, does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class QueryKind(StrEnum):
    """Whether a statement only reads, or changes rows."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of the workload.

    `weight` is the number of executions that it stands for. `text` may hold `$n`; `parameters` are the values that a
    trial binds to them, in their text form (None is NULL); `is_synthetic` says that they were drawn from the planner's
    statistics, not seen; of several draws `drawn_of` names the query of the first. A text with `$n` and no parameters
    can be planned, as a generic plan, but not run.
    `hides_work` says that it calls functions of the user's, whose queries its plan does not show. `clone_only` says why
    it runs in a clone alone and is only planned elsewhere, without literals; "" where it may run.
    """

    id: str
    name: str
    text: str
    normalized_text: str
    weight: float
    kind: QueryKind
    parameter_count: int = 0
    parameters: tuple[str | None, ...] = ()
    is_synthetic: bool = False
    drawn_of: str = ""
    hides_work: bool = False
    clone_only: str = ""

    @property
    def statement_id(self) -> str:
        """The id that all draws of one statement share."""
        return self.drawn_of or self.id

    @property
    def is_runnable(self) -> bool:
        """True when every `$n` has a value."""
        return len(self.parameters) == self.parameter_count

    @property
    def is_read(self) -> bool:
        """True when it changes nothing."""
        return self.kind is QueryKind.READ


@dataclass(frozen=True, slots=True)
class Skipped:
    """A statement that was left out. `code` is stable; `reason` is for people and holds no literal."""

    name: str
    normalized_text: str
    weight: float
    code: str
    reason: str

    @property
    def why(self) -> tuple[str, str, str]:
        """Its name, the code, and the reason in words."""
        return self.name, self.code, self.reason


@dataclass(frozen=True, slots=True)
class Workload:
    """The queries of a run, where they came from ("file" or "pg_stat_statements"), and what was left out.

    `since` is when the server began to count their executions, ISO 8601 in UTC; None where nobody knows.
    """

    queries: tuple[Query, ...]
    origin: str
    skipped: tuple[Skipped, ...] = field(default=())
    since: str | None = None

    @property
    def executions(self) -> float:
        """The executions that the queries stand for."""
        return sum(query.weight for query in self.queries)

    def query(self, query_id: str) -> Query:
        """Return the query of that id. Raises KeyError."""
        for query in self.queries:
            if query.id == query_id:
                return query
        raise KeyError(query_id)
