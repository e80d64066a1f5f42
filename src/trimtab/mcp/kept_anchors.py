"""The anchors of this machine and how they stand, read again when the ledger or their directory has changed.

Reading them verifies every digest, which takes longer than an answer may. `anchors_check` verifies anew each time.
"""

from __future__ import annotations

import threading
from pathlib import Path

from trimtab import api
from trimtab.anchor.force import Standing
from trimtab.lifecycle.anchor_chain import DIRECTORY
from trimtab.lifecycle.ledger_view import LedgerViewer


class KeptAnchors:
    """Safe to use from several threads."""

    def __init__(self, ledger_path: Path, viewer: LedgerViewer) -> None:
        self._ledger_path = ledger_path
        self._viewer = viewer
        self._lock = threading.Lock()
        self._state: tuple[str, int] | None = None
        self._standings: list[Standing] = []

    def standings(self) -> list[Standing]:
        """Return all anchors in the order of their chain, and how each stands. Raises AnchorError, LedgerError."""
        with self._lock:
            state = self._viewer.view().head, self._changed_ns()
            if state != self._state:
                self._standings = api.anchors(ledger_path=self._ledger_path)
                self._state = state
            return self._standings

    def _changed_ns(self) -> int:
        try:
            return (self._ledger_path.parent / DIRECTORY).stat().st_mtime_ns
        except OSError:
            return 0
