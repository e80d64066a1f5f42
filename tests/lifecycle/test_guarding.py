"""A watcher that acts, on a real server: what slowed a statement is taken back, and what did not is put back again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from trimtab.anchor.lease import Expected, Lease, LeaseState, lease_body, leases
from trimtab.anchor.lease import Note as LeaseNote
from trimtab.apply.enforce import database_body
from trimtab.db.connection import connect
from trimtab.db.locks import hold_database
from trimtab.db.sql import split
from trimtab.embedded.server import Server
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.history import strategy_lives
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import pending
from trimtab.lifecycle.journal import Journal
from trimtab.lifecycle.recover import recovering
from trimtab.lifecycle.watch_store import WatchStore
from trimtab.model.change import CreateIndex
from trimtab.model.strategy import Outcome, Strategy
from trimtab.observe.identity import QueryIds
from trimtab.report.watching import status_document
from trimtab.spec.load import load_spec

from .watched import SCHEMA, Ended, World

pytestmark = pytest.mark.server
_numbers = itertools.count(1)
CHANGED_AT = 40
MOST_ROUNDS = 900

# `slowly` makes each write wait for the index that holds it; `planted` does so for a reason that is not ours, so much
# longer that a busy machine's ups and downs are not taken for a revert's doing.
TICKETS = (
    "CREATE TABLE ticket (id bigint GENERATED ALWAYS AS IDENTITY, kind int NOT NULL)",
    "CREATE TABLE trouble (id int)",
    "CREATE FUNCTION slowly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pg_catalog.pg_sleep(0.004); RETURN $1; END'",
    "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF EXISTS (SELECT FROM public.trouble) THEN PERFORM pg_catalog.pg_sleep(0.012); END IF; RETURN NEW; END $$",
    "CREATE TRIGGER planted BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION planted()",
)
INSERT = "INSERT INTO ticket (kind) VALUES (7)"
WRITES = QueryIds().next_for(split("INSERT INTO ticket (kind) VALUES ($1)")[0].fingerprint)
SLOW_INDEX = CreateIndex("public", "ticket", "trimtab_ticket_slow", "USING btree (slowly(kind))", ("",))
PLAIN_INDEX = CreateIndex("public", "ticket", "trimtab_ticket_kind", "USING btree (kind)", ("kind",))
OTHER_INDEX = CreateIndex("public", "wide", "trimtab_wide_filler", "USING btree (filler)", ("filler",))


class Killed(BaseException):
    """As `kill -9`: nothing is written after it."""


@dataclass
class Guarded(World):
    """A watched database with an application that also writes."""

    def work(self) -> None:
        super().work()
        assert self._session is not None
        for _ in range(4):
            self._session.execute(INSERT.encode())

    def apply(self, *changes: CreateIndex, is_lock: bool = False) -> Strategy:
        """Apply a strategy as a run does, and keep it."""
        evidence = {f"size_bytes.{change.name}": 100_000 for change in changes}
        strategy = Strategy(changes, "test", "a test", "a test", (), size_bytes=100_000, evidence=evidence)
        run_id = f"r-{next(_numbers)}"
        with recovering(self.dsn, self.ledger_path, load_spec(None), run_id) as (ledger, enforcer, snapshot):
            journal = Journal(ledger, run_id)
            journal.proposed(strategy)
            enforcer.apply(strategy)
            journal.ended(strategy.id, Outcome.KEPT, "a test")
            if is_lock:
                expected = Expected("p")
                lease = Lease("l-1", "q", "", expected, strategy.id, "index", "", 1, 2**62, 0, LeaseState.ENFORCED)
                body = lease_body(lease, LeaseNote.ENFORCED, database_body(snapshot.server), "a test")
                ledger.append(Kind.LEASE_NOTED, body, run_id=run_id)
        return strategy

    def watch_until(self, kind: str, change: Callable[[], object] | None = None, **options: Any) -> None:
        """Watch until that happens; `change` is made when the watcher has learnt."""
        before = len(self.told)

        def before_round(number: int) -> None:
            if number == CHANGED_AT and change is not None:
                change()
            if self._has_happened(kind, before):
                raise Ended

        self.before_round = before_round
        self.watch(MOST_ROUNDS, **options)
        assert self._has_happened(kind, before), self.kinds()

    def _has_happened(self, kind: str, since: int) -> bool:
        """Of what is told of statements, that of the writes counts: others may alarm for reasons of the machine."""
        events = [event for told in self.told[since:] for event in told.events]
        return any(found == kind and detail.get("subject", WRITES) == WRITES for found, detail in events)

    def indexes(self) -> set[str]:
        with psycopg.connect(self.dsn) as conn:
            rows = conn.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'trimtab%'").fetchall()
        return {str(name) for (name,) in rows}

    def entries(self) -> list[Entry]:
        with Ledger.open(self.ledger_path) as ledger:
            assert ledger.verify().verified
            return list(ledger.entries())

    def notes(self) -> list[str]:
        noted = [entry for entry in self.entries() if entry.kind is Kind.GUARD_NOTED]
        return [entry.text("note") for entry in noted if entry.text("query_id") == WRITES]

    def acts(self) -> list[dict[str, Any]]:
        document: dict[str, Any] = dict(status_document(self.path, now_ns=self.wall()))
        return [act for act in document["acts"] if act["query_id"] == WRITES]


@pytest.fixture
def world(counting_server: Server, tmp_path: Path) -> Iterator[Guarded]:
    world = Guarded(counting_server, f"guarded_{next(_numbers)}", tmp_path / "ledger.db", size=400)
    with psycopg.connect(counting_server.dsn(), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{world.database}"'.encode())
    world.run(*SCHEMA, *TICKETS)
    yield world
    world.end()
    with suppress(psycopg.OperationalError), psycopg.connect(counting_server.dsn(), autocommit=True) as conn:
        conn.execute(f'DROP DATABASE IF EXISTS "{world.database}" WITH (FORCE)'.encode())


def specification(tmp_path: Path, **guard: object) -> Path:
    path = tmp_path / "guarded.yaml"
    fields = "".join(f"    {name}: {str(value).lower()}\n" for name, value in guard.items())
    path.write_text(
        "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
        "metadata: {id: GUARDED, revision: 1, description: A test.}\n"
        f"extends: [DATABASE_OPTIMIZATION_SPEC_V4]\nspec:\n  guard:\n{fields}"
    )
    return path


def test_what_made_a_statement_slower_is_taken_back_and_that_it_helped_is_proven(world: Guarded) -> None:
    def change() -> None:
        world.apply(SLOW_INDEX)
        world.apply(OTHER_INDEX)  # later, and of another table

    world.watch_until("guard_confirmed", change, acts=True)
    assert world.indexes() == {OTHER_INDEX.name}
    assert world.notes() == ["reverting", "reverted", "confirmed"]
    [act] = world.acts()
    assert act["note"] == "confirmed"
    assert act["reason"] == "the plan reads or writes public.ticket"
    evidence = act["evidence"]
    assert (evidence["test"], evidence["direction"], evidence["error_rate"]) == ("T1", "faster", 0.01)
    assert evidence["evidence"] >= evidence["needed"]
    assert evidence["after_ms"] < evidence["before_ms"] / 2
    assert evidence["gained_seconds_per_hour"] >= evidence["least_seconds_per_hour"] == 10.0
    [life] = strategy_lives(world.entries(), act["strategy_id"])
    assert (life.outcome, life.standing, life.title) == (Outcome.REVERTED, 0, "a test")
    # Nothing is left to be settled or mended, and the alarm ends by itself.
    assert pending(world.entries()).is_empty
    world.watch_until("ended", acts=True)
    assert world.notes() == ["reverting", "reverted", "confirmed"]


def test_a_revert_that_does_not_help_is_undone_and_not_tried_again(world: Guarded, tmp_path: Path) -> None:
    def change() -> None:
        world.apply(PLAIN_INDEX, is_lock=True)
        world.run("INSERT INTO trouble VALUES (1)")

    spec = specification(tmp_path, verify_rounds=20)
    world.watch_until("guard_none", change, acts=True, spec=spec)
    assert world.notes() == ["reverting", "reverted", "undoing", "undone", "none"]
    assert world.indexes() == {PLAIN_INDEX.name}
    undone, nothing = world.acts()
    assert undone["evidence"]["looks"] >= 20
    assert undone["evidence"]["evidence"] < undone["evidence"]["needed"]
    assert nothing["strategy_id"] == ""
    assert world.told[-1].open_alarms >= 1
    assert pending(world.entries()).is_empty
    taken, put_back = strategy_lives(world.entries(), undone["strategy_id"])
    assert (taken.outcome, put_back.outcome, put_back.standing) == (Outcome.REVERTED, Outcome.KEPT, 1)
    # The lock was released with its changes, and holds again.
    [lease] = leases(world.entries(), world.wall())
    assert lease.state is LeaseState.ENFORCED
    assert lease.id == undone["lease_id"]


def test_when_the_newest_was_not_it_the_one_before_is_tried(world: Guarded, tmp_path: Path) -> None:
    made: list[Strategy] = []
    spec = specification(tmp_path, verify_rounds=20)
    world.watch_until(
        "guard_confirmed",
        lambda: made.extend([world.apply(SLOW_INDEX), world.apply(PLAIN_INDEX)]),
        acts=True,
        spec=spec,
    )
    slow, plain = made
    told = [(act["strategy_id"], act["note"]) for act in world.acts()]
    assert told == [(plain.id, "undone"), (slow.id, "confirmed")]
    assert world.indexes() == {PLAIN_INDEX.name}
    assert pending(world.entries()).is_empty


def _prove(world: Guarded, **cause: str) -> None:
    """Write into the alarm's record what a watcher would have proven of its plan."""
    [path] = (world.ledger_path.parent / "watch").glob("*.db")
    with WatchStore.writer(path) as store:
        [kept] = [kept for kept in store.alarms(is_open=True) if kept.alarm.subject == WRITES]
        found = {"kind": "index", "objects": [{"schema": "", "table": "", "name": "", "scope": "", **cause}]}
        told = {"state": "found", "anchor_id": "", "reason": "", "found": found}
        with store.writing():
            store.put_evidence(replace(kept.alarm, evidence={**kept.alarm.evidence, "attribution": told}))


def test_what_is_proven_to_have_changed_the_plan_goes_before_what_is_newer(world: Guarded) -> None:
    made: list[Strategy] = []
    world.watch_until("alarm", lambda: made.extend([world.apply(SLOW_INDEX), world.apply(PLAIN_INDEX)]))
    _prove(world, what="index", schema="public", table="ticket", name=SLOW_INDEX.name)
    world.watch_until("guard_confirmed", acts=True)
    [act] = world.acts()
    assert (act["strategy_id"], act["note"]) == (made[0].id, "confirmed")
    assert "proven" in act["reason"]
    assert world.indexes() == {PLAIN_INDEX.name}


def test_what_is_proven_to_be_nobodys_change_of_ours_is_not_answered_by_taking_one_back(world: Guarded) -> None:
    world.watch_until("alarm", lambda: world.apply(SLOW_INDEX))
    _prove(world, what="statistics", schema="public", table="ticket")
    world.watch_until("guard_none", acts=True)
    [act] = world.acts()
    assert "no change of ours of that time did it: statistics public ticket" in act["reason"]
    assert world.indexes() == {SLOW_INDEX.name}
    assert world.notes() == ["none"]


def test_without_being_asked_it_changes_nothing(world: Guarded) -> None:
    world.watch_until("alarm", lambda: world.apply(SLOW_INDEX))
    world.before_round = lambda _number: None
    world.watch(25)
    assert world.indexes() == {SLOW_INDEX.name}
    assert world.notes() == []
    assert world.acts() == []
    assert status_document(world.path, now_ns=world.wall())["acts_on_alarms"] is False


def test_what_the_specification_forbids_is_not_done_and_told(world: Guarded, tmp_path: Path) -> None:
    spec = specification(tmp_path, auto_revert=False)
    world.watch_until("guard_refused", lambda: world.apply(SLOW_INDEX), acts=True, spec=spec)
    assert world.indexes() == {SLOW_INDEX.name}
    [act] = world.acts()
    assert "guard.auto_revert" in act["reason"]
    assert world.notes() == ["refused"]


def test_while_a_run_is_at_work_it_waits_and_what_others_put_in_its_place_is_left(world: Guarded) -> None:
    world.watch_until("alarm", lambda: world.apply(SLOW_INDEX))
    name = SLOW_INDEX.name
    world.run(f"DROP INDEX {name}", f"CREATE INDEX {name} ON ticket (slowly(kind), id)")
    with closing(connect(world.dsn, read_only=True)) as run, hold_database(run):
        world.watch_until("guard_waits", acts=True)
    assert world.notes() == []
    [detail] = [detail for kind, detail in world.events() if kind == "guard_waits"]
    assert detail["code"] == "run.busy"
    world.watch_until("guard_refused", acts=True)
    [act] = world.acts()
    assert "others have changed it" in act["reason"]
    assert world.indexes() == {name}
    assert pending(world.entries()).is_empty


def test_killed_after_every_entry_that_it_writes_it_ends_as_if_it_had_not_been(
    world: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        world.apply(PLAIN_INDEX)
        world.run("INSERT INTO trouble VALUES (1)")

    spec = specification(tmp_path, verify_rounds=20)
    world.watch_until("alarm", change)
    is_dead, append, writing = [False], Ledger.append, WatchStore.writing
    died_after: set[tuple[object, ...]] = set()

    def killed(self: Ledger, kind: Kind, *arguments: Any, **options: Any) -> Entry:
        if is_dead[0]:
            raise Killed
        entry = append(self, kind, *arguments, **options)
        what = (kind, entry.body.get("note") if kind is Kind.GUARD_NOTED else entry.body.get("outcome"))
        is_dead[0] = what not in died_after
        died_after.add(what)
        if is_dead[0]:
            raise Killed
        return entry

    @contextmanager
    def nothing_more(self: WatchStore) -> Iterator[None]:
        if is_dead[0]:
            raise Killed
        with writing(self):
            yield

    monkeypatch.setattr(Ledger, "append", killed)
    monkeypatch.setattr(WatchStore, "writing", nothing_more)
    while world.notes()[-1:] != ["undone"]:
        is_dead[0] = False
        with suppress(Killed):
            world.watch_until("guard_undone", acts=True, spec=spec)
    monkeypatch.undo()
    guard_notes = {(Kind.GUARD_NOTED, note) for note in ("reverting", "reverted", "undoing", "undone")}
    acts = {(kind, None) for kind in (Kind.REVERT_INTENDED, Kind.REVERT_DONE, Kind.APPLY_INTENDED, Kind.APPLY_DONE)}
    assert died_after >= guard_notes | acts
    assert world.notes() == ["reverting", "reverted", "undoing", "undone"]
    assert world.indexes() == {PLAIN_INDEX.name}
    assert pending(world.entries()).is_empty
