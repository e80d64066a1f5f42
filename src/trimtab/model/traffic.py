"""What a server has counted of its statements at one moment: how often each ran, and how long that took.

Values only. Two readings make a window; what is made of it is decided in `settle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

StatementKey: TypeAlias = tuple[int, int, bool]
"""How pg_stat_statements knows a statement of one database: the role's oid, the query's id, and whether it stood by
itself (true) or inside of a function."""

# The server tells the times' spread, of which the sum of their squares is made, with some 16 digits.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Counter:
    """Of one statement: its executions, their total time in ms, and the sum of the squares of their times.

    `since` is when the server began to count it, "" where the server does not tell. `rows` are those returned or
    written, `blocks` those asked of shared buffers, `temporary_blocks` those written to temporary files.
    """

    calls: int
    total_ms: float
    squares: float
    since: str = ""
    rows: int = 0
    blocks: int = 0
    temporary_blocks: int = 0

    def after(self, first: Counter) -> Counter | None:
        """Return what was counted since an earlier reading; None where counting began anew in between."""
        shrank = self.calls < first.calls or self.total_ms < first.total_ms * (1 - ROUNDING)
        if first.since != self.since or shrank:
            return None
        return Counter(
            self.calls - first.calls,
            self.total_ms - first.total_ms,
            self.squares - first.squares,
            self.since,
            self.rows - first.rows,
            self.blocks - first.blocks,
            self.temporary_blocks - first.temporary_blocks,
        )


@dataclass(frozen=True, slots=True)
class Counters:
    """One reading. `reset` is when all counters were last reset, "" where the server does not tell.

    `evictions` is how often it had to forget statements since then, None where it does not tell.
    """

    reset: str
    by_statement: Mapping[StatementKey, Counter]
    evictions: int | None = None

    def is_continued_by(self, later: Counters) -> bool:
        """Return whether what the later reading holds can be told from what was counted up to this one.

        A server that tells of each statement since when it counts it may forget some; of others nobody knows which
        began anew.
        """
        if self.reset != later.reset:
            return False
        return self.evictions == later.evictions or any(counter.since for counter in later.by_statement.values())
