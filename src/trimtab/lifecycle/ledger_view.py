"""What a ledger tells, read once, and from then on only what is new: for faces that look at it again and again.

It reads, and never appends or signs; a ledger that is not the one that was read before is read anew. Every view is
whole and of one state: what is appended meanwhile is in the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from trimtab.apply.approvals import approvals_in, expiry_ns
from trimtab.ledger.entry import GENESIS, Entry
from trimtab.ledger.history import RunSummary, StrategyLife, runs, strategies
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.approving import Waiting, waiting_in
from trimtab.lifecycle.board import Board, Card, cards, columns


@dataclass(frozen=True)
class LedgerView:
    """The entries of one moment (`read_ns`, UTC nanoseconds), and what is told by them; computed when it is asked for.

    Everything of it raises LedgerError `ledger.layout` for entries of another version's layout.
    """

    path: Path
    name: str
    read_ns: int
    entries: tuple[Entry, ...] = field(repr=False)

    @property
    def head(self) -> str:
        """The hash of the last entry."""
        return self.entries[-1].hash if self.entries else GENESIS

    @cached_property
    def cards(self) -> tuple[Card, ...]:
        """The card of every strategy in every run, the newest first."""
        return cards(self.entries, self.read_ns)

    @cached_property
    def lives(self) -> tuple[StrategyLife, ...]:
        """Every strategy's life in every run."""
        return strategies(self.entries)

    @cached_property
    def runs(self) -> tuple[RunSummary, ...]:
        """Every run, the oldest first."""
        return runs(self.entries)

    @cached_property
    def waiting(self) -> tuple[Waiting, ...]:
        """What people were asked, with how it stands."""
        return waiting_in(self.entries, self.read_ns)

    @cached_property
    def good_until_ns(self) -> int | None:
        """When the next approval expires: then the same entries say something else. None where none will."""
        expiries = [expiry_ns(approval.statement) for approval in approvals_in(self.entries)]
        return min((each for each in expiries if each > self.read_ns), default=None)

    def board(self, limit: int) -> Board:
        """Return all stages, with at most `limit` cards of each."""
        return Board(columns(self.cards, limit), len(self.entries), self.head, self.read_ns)


class LedgerViewer:
    """Gives views of the ledger at a path. Safe to use from several threads."""

    def __init__(self, path: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._held: LedgerView | None = None

    def view(self) -> LedgerView:
        """Return the ledger as it is now. Raises LedgerError."""
        with self._lock, Ledger.open(self._path) as ledger:
            held, now_ns = self._held, self._clock()
            last = ledger.last()
            is_same = held is not None and held.head == (GENESIS if last is None else last.hash)
            if held is not None and is_same and (held.good_until_ns is None or now_ns < held.good_until_ns):
                return held
            known: tuple[Entry, ...] = ()
            if held is not None and held.entries:
                after = tuple(ledger.entries(after=held.entries[-1].seq))
                if is_same or (after and after[0].prev_hash == held.head):
                    known = (*held.entries, *after)
            entries = known or tuple(ledger.entries())
            self._held = LedgerView(self._path, ledger.name, now_ns, entries)
            return self._held
