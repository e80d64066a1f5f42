"""What the ledger and the watchers' files say of a database, by its name on the server. No server is asked.

One view is read once, for an answer that tells of many databases.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.apply.switch import KillSwitch
from trimtab.errors import TrimtabError
from trimtab.ledger.pending import applied_changes
from trimtab.lifecycle.ledger_view import LedgerView, LedgerViewer
from trimtab.mcp.answers import Alarm
from trimtab.report.watching import REPLACED, status_document, stores, with_replaced


@dataclass(frozen=True, slots=True)
class Noted:
    """The ledger at one moment, and what each watcher's file says."""

    view: LedgerView
    watches: Sequence[Mapping[str, Any]]
    switch: KillSwitch

    @classmethod
    def read(cls, viewer: LedgerViewer, ledger_path: Path) -> Noted:
        """Return what is noted now. Raises LedgerError."""
        watches = []
        for path in stores(ledger_path):
            with suppress(TrimtabError):  # one that cannot be read hides no other
                watches.append(status_document(path, now_ns=time.time_ns()))
        there = [each for each in with_replaced(watches) if each["state"] != REPLACED]
        return cls(viewer.view(), there, KillSwitch(ledger_path.parent))

    def standing(self, database: str) -> int:
        """Return how many changes of ours stand on the database."""
        return sum(applied.database == database for applied in applied_changes(self.view.entries))

    def waiting(self, database: str) -> int:
        """Return how many proposals wait for people there."""
        return sum(
            each.state == "waiting" and each.request.database.get("database") == database for each in self.view.waiting
        )

    def watched(self, database: str) -> Mapping[str, Any] | None:
        """Return what the database's watcher says, None where nobody watches."""
        return next((each for each in self.watches if each["database"] == database), None)

    def watch_state(self, database: str) -> str:
        """Return the watcher's state in a word."""
        found = self.watched(database)
        return "not watched" if found is None else str(found["state"])

    def alarms(self, database: str) -> list[Alarm]:
        """Return the open alarms of the database."""
        found = self.watched(database)
        return [] if found is None else [_alarm(each) for each in found["open_alarms"]]

    def is_frozen(self, database: str) -> bool:
        """Return whether changes are frozen there."""
        return any(freeze.database in (None, database) for freeze in self.switch.frozen())


def _alarm(told: Mapping[str, Any]) -> Alarm:
    factor = told["evidence"].get("factor")
    return Alarm(
        alarm_id=str(told["id"]),
        subject=str(told["subject"]),
        since=told["at"],
        factor=float(factor) if isinstance(factor, int | float) else None,
    )
