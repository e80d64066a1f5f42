"""A watched database for tests: an application that works between two rounds, and a watcher that never waits.

The clocks are real, because the server's is compared with ours; the watcher's waiting is the application's work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.numeric import Int8

from trimtab.embedded.server import Server
from trimtab.errors import TrimtabError
from trimtab.lifecycle.watch import Clocks, WatchRequest, watch
from trimtab.lifecycle.watch_round import Told
from trimtab.lifecycle.watch_store import WatchStore

TABLES = 7
SCHEMA = (
    "CREATE EXTENSION pg_stat_statements",
    *(f"CREATE TABLE light_{n} AS SELECT g AS id FROM generate_series(1, 80) g" for n in range(TABLES)),
    "CREATE TABLE wide AS SELECT g AS id, repeat('x', 100) AS filler FROM generate_series(1, 5000) g",
    "CREATE INDEX wide_id ON wide (id)",
    "ANALYZE",
)
# Without aliases: servers from 18 on tell tables apart by the name that a statement gives them.
LIGHT = tuple(f"SELECT count(*) FROM light_{n} JOIN generate_series(1, 300) g ON id < 40" for n in range(TABLES))
# How much it does is its parameter's: slower is the same statement.
HEAVY = "SELECT count(*) FROM wide JOIN generate_series(1, $1::int8) g ON wide.id = g % 5000"
PLANNED = "SELECT filler FROM wide WHERE id = $1::int4"
INTERVAL_SECONDS = 0.1
SIZE = 4_000
AFTERWARDS = 8


class Ended(Exception):  # noqa: N818 - it ends a watcher as a signal would
    """The test's end of a watcher."""


@dataclass
class World:
    """A database, its application and its watcher; `before_round` is called with the number of the round to come."""

    server: Server
    database: str
    ledger_path: Path
    watched_as: str = ""
    size: int = SIZE
    repeats: int = 2
    told: list[Told] = field(default_factory=list)
    troubles: list[TrimtabError] = field(default_factory=list)
    before_round: Callable[[int], None] = lambda _number: None
    wall: Callable[[], int] = time.time_ns
    _round: int = 0
    _session: psycopg.Connection[Any] | None = None

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.database)

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def work(self) -> None:
        """Run the workload once."""
        if self._session is None or self._session.closed:
            self._session = psycopg.connect(self.dsn, autocommit=True, cursor_factory=psycopg.RawCursor)
        for _ in range(self.repeats):
            for statement in LIGHT:
                self._session.execute(statement.encode())
            self._session.execute(HEAVY.encode(), (Int8(self.size),))
            self._session.execute(PLANNED.encode(), (7,))

    def end(self) -> None:
        if self._session is not None:
            with suppress(psycopg.Error):
                self._session.close()
            self._session = None

    def watch(self, rounds: int, *, learn: int = 30, until: str = "", **options: Any) -> int:
        """Watch for so many rounds, of which the last is the end; return how many alarms are open.

        With `until` it ends earlier, a few rounds after what is called so has happened.
        """
        last, told = self._round + rounds, len(self.told)

        def sleep(_seconds: float) -> None:
            nonlocal last
            self._round += 1
            if until and any(kind == until for each in self.told[told:] for kind, _ in each.events):
                last = min(last, self._round + AFTERWARDS)
            if self._round >= last:
                raise Ended
            self.before_round(self._round)
            with suppress(psycopg.OperationalError):
                self.work()

        dsn = f"{self.dsn} user={self.watched_as}" if self.watched_as else self.dsn
        request = WatchRequest(dsn, self.ledger_path, INTERVAL_SECONDS, learn, **options)
        listener = _Listener(self)
        try:
            return watch(request, listener, Clocks(wall=self._wall, sleep=sleep))
        except Ended:
            return self.told[-1].open_alarms

    def _wall(self) -> int:
        return self.wall()

    def events(self) -> list[tuple[str, Mapping[str, object]]]:
        """Return all events that the watchers have told, in order."""
        return [(kind, detail) for told in self.told for kind, detail in told.events]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events()]

    @property
    def path(self) -> Path:
        [path] = (self.ledger_path.parent / "watch").glob("*.db")
        return path

    def store(self) -> WatchStore:
        return WatchStore.reader(self.path)


@dataclass
class _Listener:
    world: World

    def told(self, at_ns: int, told: Told) -> None:
        self.world.told.append(told)

    def trouble(self, at_ns: int, error: TrimtabError, wait_seconds: float) -> None:
        self.world.troubles.append(error)
