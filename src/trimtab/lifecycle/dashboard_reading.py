"""Reads what the dashboard needs beside servers: the ledger when it has grown, the anchors, the watchers' files.

It creates nothing: where there is no ledger, there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from trimtab.anchor.force import Force
from trimtab.errors import AnchorError, LedgerError, TrimtabError
from trimtab.history.values import ServerHealth
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.place import server_of
from trimtab.lifecycle.anchor_chain import standings_of, store_of
from trimtab.lifecycle.board import Board
from trimtab.lifecycle.complied import Complied, SecondLooks
from trimtab.lifecycle.dashboard import NO_LEDGER, Dashboard, Watched, dashboard
from trimtab.lifecycle.kept_advice import KeptAdvice, kept_advice
from trimtab.lifecycle.ledger_figures import LedgerFigures, ledger_figures
from trimtab.lifecycle.ledger_view import LedgerView, LedgerViewer
from trimtab.lifecycle.watch_file import runs_now
from trimtab.lifecycle.watch_identity import DIRECTORY
from trimtab.lifecycle.watch_store import WatchStore


@dataclass(slots=True)
class DashboardReader:
    """Reads for one state directory; the ledger is read again only when its last entry is another one.

    `trouble` is why the ledger could not be believed when it was read last. `spec` is the configured specification, by
    which what was applied under it is judged again.
    """

    ledger_path: Path
    spec: str | Path | None = None
    trouble: TrimtabError | None = None
    _viewer: LedgerViewer | None = None
    _head: str = ""
    _figures: LedgerFigures | None = None
    _complied: Complied | None = None
    _anchors: int | None = None

    def read(
        self,
        servers: Sequence[ServerHealth],
        *,
        calls_of_a_day: float | None,
        at_ns: int,
        window_seconds: float,
        shows_compliance: bool = True,
    ) -> Dashboard:
        """Return the dashboard; without the ledger's figures where it cannot be believed."""
        try:
            self.trouble = None
            self._read_ledger()
        except TrimtabError as error:
            self.trouble, self._head = error, ""
            self._figures = self._complied = self._anchors = None
        return dashboard(
            servers,
            self._figures,
            anchors=self._anchors,
            watched=watched(self.ledger_path),
            calls_of_a_day=calls_of_a_day,
            at_ns=at_ns,
            window_seconds=window_seconds,
            shows_compliance=shows_compliance,
            complied=self._complied,
            advice=next(iter(self.advice(1)), None),
            no_ledger=NO_LEDGER if self.trouble is None else f"it cannot be believed [{self.trouble.code}]",
        )

    def advice(self, limit: int) -> Sequence[KeptAdvice]:
        """Return the newest advices on indexes that are kept."""
        return kept_advice(self.ledger_path, limit=limit)

    def board(self, limit: int) -> Board | None:
        """Return all strategies by the stage that each has reached; None without a ledger. Raises LedgerError."""
        view = self._view()
        return None if view is None else view.board(limit)

    def _read_ledger(self) -> None:
        view = self._view()
        if view is None or view.head == self._head:
            return
        self._figures = ledger_figures(view.entries)
        self._complied = SecondLooks(self.ledger_path, self.spec).of(view)
        self._anchors = None
        with suppress(AnchorError), Ledger.open(self.ledger_path) as ledger:  # a level that nobody vouches for is none
            standings = standings_of(store_of(self.ledger_path), ledger)
            self._anchors = sum(standing.force is Force.IN_FORCE for standing in standings)
        self._head = view.head

    def _view(self) -> LedgerView | None:
        if not self.ledger_path.exists() and server_of(self.ledger_path) is None:
            return None
        if self._viewer is None:
            self._viewer = LedgerViewer(self.ledger_path)
        return self._viewer.view()


def watched(ledger_path: Path) -> list[Watched]:
    """Return what the watchers of this machine have seen last; a file that cannot be read is left out."""
    found = []
    for path in sorted((ledger_path.parent / DIRECTORY).glob("*.db")):
        try:
            with closing(WatchStore.reader(path)) as store:
                status, identity, counted = (store.fact(name) for name in ("status", "identity", "stability"))
                alarms = len(store.alarms(is_open=True))
        except LedgerError:
            continue
        known = status if isinstance(status, dict) else {}
        dimensions = [each for each in known.get("dimensions", []) if isinstance(each, dict)]
        found.append(
            Watched(
                str(identity.get("database", "")) if isinstance(identity, dict) else "",
                runs_now(path) is not None,
                alarms,
                {str(each["name"]): float(each["level"]) for each in dimensions if each.get("level") is not None},
                {
                    str(each["name"]): bool(each["is_inside"])
                    for each in dimensions
                    if each.get("is_inside") is not None
                },
                *((int(counted.get(name, 0)) for name in ("looks", "breaches")) if isinstance(counted, dict) else ()),
            )
        )
    return found
