"""What the screens look at: the collectors, what they have seen, the dashboard. Draws nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from trimtab.api_history import Window, query_marks
from trimtab.cli.text import utc_time
from trimtab.errors import TrimtabError
from trimtab.history.reading import History
from trimtab.lifecycle.collect_server import Pace, Target
from trimtab.lifecycle.collecting import Collecting
from trimtab.lifecycle.dashboard import Dashboard
from trimtab.lifecycle.dashboard_reading import DashboardReader
from trimtab.lifecycle.live_fleet import WINDOW_SECONDS, LiveFleet

LEAST_ROUND_SECONDS = 5.0
APPLICATION_NAME = "trimtab monitor"
_DAY_SECONDS = 86_400.0
_SELDOM_SECONDS = 60.0
_DASHBOARD_SECONDS = 2.0
_MOST_MARKS = 20


@dataclass(slots=True)
class Looking:
    """A monitor's collectors and what they saw. `history` is read for what happened before it began."""

    live: LiveFleet
    collecting: Collecting
    reader: DashboardReader
    history: History | None
    refresh_seconds: float
    shows_compliance: bool = True
    is_paused: bool = False
    clock: Callable[[], int] = time.time_ns
    tick: Callable[[], float] = time.monotonic
    _calls: float | None = None
    _calls_due: float = 0.0
    _board: Dashboard | None = None
    _board_due: float = 0.0

    @classmethod
    def at(
        cls,
        targets: Sequence[Target],
        *,
        refresh_seconds: float,
        reader: DashboardReader,
        history: History | None,
        shows_compliance: bool = True,
    ) -> Looking:
        """Return a monitor of these servers, which does not look yet."""
        live = LiveFleet(target.name for target in targets)
        pace = Pace(refresh_seconds, max(LEAST_ROUND_SECONDS, refresh_seconds), 300.0)
        collecting = Collecting(targets, pace, live, application_name=APPLICATION_NAME)
        return cls(live, collecting, reader, history, refresh_seconds, shows_compliance)

    def dashboard(self) -> Dashboard:
        """Return the six groups as of now; a ledger that cannot be believed is told in `trouble`."""
        if self._board is None or self.tick() >= self._board_due:
            self._board = self.reader.read(
                self.live.fleet(), calls_of_a_day=self._calls_of_a_day(), at_ns=self.clock(),
                window_seconds=WINDOW_SECONDS, shows_compliance=self.shows_compliance,
            )  # fmt: skip
            self._board_due = self.tick() + _DASHBOARD_SECONDS
        return self._board

    @property
    def trouble(self) -> TrimtabError | None:
        """Why the ledger could not be believed when the six groups were made last."""
        return self.reader.trouble

    def marks(self, server: str, query_id: str) -> Sequence[str]:
        """Return what the ledger and the watchers tell of a query of a server, a line each, the newest first."""
        health = self.live.health(server)
        try:
            found = query_marks(
                query_id, Window(0, 1 << 62), ledger_path=self.reader.ledger_path,
                system_identifier=health.system_identifier, database=health.database,
            )  # fmt: skip
        except TrimtabError as error:
            return [f"{error} [{error.code}]"]
        return [
            f"{utc_time(mark.at_ns)} {mark.kind.replace('_', ' ')} {mark.strategy_id or mark.text}: {mark.evidence}"
            f" ({mark.source})"
            for mark in reversed(found[-_MOST_MARKS:])
        ]

    def pause(self) -> None:
        """Let the collectors wait, or go on."""
        self.is_paused = not self.is_paused
        self.collecting.pause(is_paused=self.is_paused)

    def set_pace(self, refresh_seconds: float) -> None:
        """Look so often from now on."""
        self.refresh_seconds = refresh_seconds
        self.collecting.pace = replace(
            self.collecting.pace, pulse_seconds=refresh_seconds,
            round_seconds=max(LEAST_ROUND_SECONDS, refresh_seconds),
        )  # fmt: skip

    def close(self) -> None:
        """End the collectors."""
        self.collecting.stop()
        if self.history is not None:
            self.history.close()

    def _calls_of_a_day(self) -> float | None:
        if self.history is None or self.tick() < self._calls_due:
            return self._calls
        self._calls_due = self.tick() + _SELDOM_SECONDS
        with suppress(TrimtabError):
            now = self.clock()
            self._calls = self.history.calls(Window(now - int(_DAY_SECONDS * 1e9), now))
        return self._calls
