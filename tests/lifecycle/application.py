"""A small help desk on a real server: its schema, the statements that it sends all the time, and what it is asked."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from trimtab.apply.enforce import Enforcer
from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.ledger.entry import Entry
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.land import Landing
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.watching import Watching, first_counters
from trimtab.lifecycle.workshop import open_workshop
from trimtab.model.change import CreateIndex
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome, Strategy
from trimtab.model.watch import Silent, Watcher

# `slowly` is marked immutable, so that an index may hold it: each write then waits for it, as for an index that is
# costly to maintain. `planted` does the same for any new index, where a trigger calls it.
SCHEMA = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE ticket (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind int NOT NULL, body text)",
    "CREATE TABLE agent (id int PRIMARY KEY, name text NOT NULL, team int NOT NULL)",
    "INSERT INTO ticket (kind, body) SELECT n % 20, repeat('x', 20) FROM generate_series(1, 40) n",
    "INSERT INTO agent SELECT n, 'agent ' || n, n % 9 FROM generate_series(1, 200) n",
    "CREATE FUNCTION slowly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pg_catalog.pg_sleep(0.03); RETURN $1; END'",
    "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF EXISTS (SELECT FROM pg_catalog.pg_indexes WHERE tablename = 'ticket' AND indexname LIKE 'trimtab%') THEN"
    " PERFORM pg_catalog.pg_sleep(0.03); END IF; RETURN NEW; END $$",
    "ANALYZE",
)
INSERT = "INSERT INTO ticket (kind) VALUES (%s)"
READS = (
    "SELECT name FROM agent WHERE id = %s",
    "SELECT count(*) FROM agent WHERE team = %s",
    "SELECT max(name) FROM agent WHERE id < %s",
    "SELECT min(id) FROM agent WHERE team > %s",
)
SLOW_INDEX = CreateIndex("public", "ticket", "trimtab_ticket_slow", "USING btree (slowly(kind))", ("",))
PLAIN_INDEX = CreateIndex("public", "ticket", "trimtab_ticket_kind", "USING btree (kind)", ("kind",))
OTHER_INDEX = CreateIndex("public", "agent", "trimtab_agent_team", "USING btree (team)", ("team",))


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Let this work in a thread of its own meanwhile; it ends when its event is set."""
    is_over = threading.Event()
    thread = threading.Thread(target=work, args=(is_over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@dataclass
class Application:
    """One database, and the threads that work in it."""

    server: Server
    database: str
    ledger_path: Path
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.database)

    def run(self, *statements: str) -> None:
        with closing(psycopg.connect(self.dsn, autocommit=True)) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def work(self, *texts: str) -> None:
        """Send the statements again and again, each from a session of its own, until `end`."""
        self._texts.extend(texts)
        for text in texts:
            self._threads.append(threading.Thread(target=self._work, args=(text,), daemon=True))
            self._threads[-1].start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_calls(self, more: int = 40) -> None:
        """Wait until each statement at work has run so often more."""
        started = self._calls()
        deadline = time.monotonic() + 20
        while True:
            now = self._calls()
            if len(now) >= len(self._threads) and all(
                count - started.get(key, 0) >= more for key, count in now.items()
            ):
                return
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @contextmanager
    def ending_builds_of(self, change: CreateIndex) -> Iterator[None]:
        """End the session that builds this index, as soon as it is seen to."""

        def end(is_over: threading.Event) -> None:
            with closing(psycopg.connect(self.dsn, autocommit=True)) as conn:
                while not is_over.wait(0.01):
                    conn.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s",
                        (f"CREATE INDEX CONCURRENTLY%{change.name}%",),
                    )

        with beside(end):
            yield

    def indexes(self) -> set[str]:
        with closing(psycopg.connect(self.dsn)) as conn:
            rows = conn.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'trimtab%'").fetchall()
        return {str(name) for (name,) in rows}

    def entries(self) -> list[Entry]:
        with Ledger.open(self.ledger_path) as ledger:
            assert ledger.verify().verified
            return list(ledger.entries())

    @contextmanager
    def landing(self, *, watch_seconds: float = 3.0, watcher: Watcher | None = None) -> Iterator[Landing]:
        """A landing of a run that has observed the application, which has been at work for a while since."""
        request = Request(self.dsn, self.ledger_path, apply=True)
        with ExitStack() as stack:
            workshop = open_workshop(request, watcher or Silent(), stack)
            limits = workshop.specification.limits
            settle = limits.settle.model_copy(update={"watch_seconds": watch_seconds})
            specification = replace(workshop.specification, limits=limits.model_copy(update={"settle": settle}))
            workshop = replace(workshop, specification=specification)
            snapshot = workshop.observe()
            counted = first_counters(workshop, snapshot.workload)
            if self._threads:
                self.wait_for_calls()

            def enforcer() -> Enforcer:
                writer = stack.enter_context(closing(connect(self.dsn, read_only=False)))
                look = workshop.look_again()
                return Enforcer(writer, workshop.ledger, specification, look, workshop.run_id, observed=snapshot)

            watching = Watching(workshop, snapshot.workload, counted)
            yield Landing(workshop, snapshot, enforcer(), watching, enforcer)

    def _work(self, text: str) -> None:
        with closing(psycopg.connect(self.dsn, autocommit=True)) as conn:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                conn.execute(text.encode(), (number % 200,))
                self._stop.wait(0.01)

    def _calls(self) -> dict[str, int]:
        with closing(psycopg.connect(self.dsn)) as conn:
            rows = conn.execute(
                "SELECT query, calls FROM pg_stat_statements WHERE query = ANY (%s)"
                " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
                ([text.replace("%s", "$1") for text in self._texts],),
            ).fetchall()
        return {str(query): int(str(calls)) for query, calls in rows}


def proven(*changes: CreateIndex) -> list[Life]:
    """Strategies of one index each that a trial has proven, in which the writes could not be run."""
    lives = []
    for change in changes:
        evidence = {f"size_bytes.{change.name}": 100_000}
        strategy = Strategy((change,), "test", change.name, "reason", (), size_bytes=100_000, evidence=evidence)
        lives.append(Life(strategy, outcome=Outcome.PROVEN))
    return lives
