"""A watcher finds out beside its rounds why the plan of an alarm changed, proves it, and never piles up such work."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from trimtab.db.connection import Connection
from trimtab.db.sql import split
from trimtab.embedded.server import Server
from trimtab.errors import SourceError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import watch_proofs
from trimtab.lifecycle.anchoring import AnchorRequest, create
from trimtab.lifecycle.explaining import ExplainRequest, explain_plans
from trimtab.lifecycle.watch_alarms import to_ledger
from trimtab.lifecycle.watch_proofs import (
    LONGEST_SECONDS,
    MOST_TRIES,
    MOST_WAITING,
    NO_ANCHOR,
    ChildInquiry,
    Proofs,
    Scene,
    is_waited_for,
    proven_objects,
    to_be_explained,
)
from trimtab.lifecycle.watch_store import WatchStore
from trimtab.lifecycle.watch_why import WhyRequest, why
from trimtab.model.flip import CauseKind
from trimtab.model.watch import Silent
from trimtab.model.watched import Alarm
from trimtab.model.workload import Query, QueryKind
from trimtab.observe.identity import QueryIds
from trimtab.report.anchor_life import explained_document
from trimtab.report.watching import status_document

from .watched import PLANNED, SCHEMA, Ended, World

_numbers = itertools.count(1)
LEARNT_AFTER = 36
ROUNDS = 1500
ANCHOR = "a-1"
DATABASE = {"system_identifier": "1", "database": "shop", "database_oid": 5}
FOUND = {"kind": "index", "objects": [{"what": "index", "schema": "public", "table": "t", "name": "i", "scope": ""}]}


@pytest.fixture
def world(counting_server: Server, tmp_path: Path) -> Iterator[World]:
    world = World(counting_server, f"proven_{next(_numbers)}", tmp_path / "ledger.db", size=400, repeats=6)
    with psycopg.connect(counting_server.dsn(), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{world.database}"'.encode())
    world.run(*SCHEMA, "INSERT INTO wide SELECT g, repeat('y', 100) FROM generate_series(5001, 20000) g",
              "VACUUM ANALYZE wide")  # fmt: skip
    yield world
    world.end()
    with suppress(psycopg.OperationalError), psycopg.connect(counting_server.dsn(), autocommit=True) as conn:
        conn.execute(f'DROP DATABASE IF EXISTS "{world.database}" WITH (FORCE)'.encode())


def _watch_until_explained(world: World, change: Callable[[], object]) -> Mapping[str, object]:
    """Watch, change something when it has learnt, and return the event that says what was found of the plan."""

    def before_round(number: int) -> None:
        if number == LEARNT_AFTER + 10:
            change()
        if "explained" in world.kinds():
            raise Ended
        if "alarm" in world.kinds():
            time.sleep(0.05)  # the rounds of a test wait for nothing; the twin is built beside them

    world.before_round = before_round
    world.watch(ROUNDS)
    return next(detail for kind, detail in world.events() if kind == "explained")


@pytest.mark.server
def test_the_plan_of_an_alarm_is_explained_beside_the_rounds_and_the_proof_is_in_its_record(world: World) -> None:
    for _ in range(20):
        world.work()
    anchor = create(AnchorRequest(world.dsn, world.ledger_path), Silent()).anchor
    told = _watch_until_explained(world, lambda: world.run("DROP INDEX wide_id"))
    assert told["cause"] == "index"
    rounds = [number for number, each in enumerate(world.told) if {"alarm", "explained"} & {k for k, _ in each.events}]
    assert rounds[-1] > rounds[0] + 1, "rounds went on meanwhile"
    document = status_document(world.path, now_ns=time.time_ns())
    alarms = cast("list[dict[str, Any]]", document["open_alarms"])
    [alarm] = [alarm for alarm in alarms if alarm["id"] == told["id"]]
    attribution = alarm["evidence"]["attribution"]
    assert (attribution["state"], attribution["anchor_id"]) == ("found", anchor.id)
    assert [each["name"] for each in attribution["found"]["objects"]] == ["wide_id"]
    assert attribution["found"]["proof"][-1]["is_old_shape"] is True
    with Ledger.open(world.ledger_path) as ledger:
        assert ledger.verify().verified
        [entry] = ledger.entries(Kind.WATCH_EXPLAINED)
    assert attribution["ledger_seq"] == entry.seq
    assert entry.body["found"] == attribution["found"]
    # `anchor explain` tells it too, beside what it finds by itself.
    request = ExplainRequest(world.dsn, world.ledger_path, anchor.id, (PLANNED.replace("::int4", ""),))
    shown = cast("dict[str, Any]", explained_document(explain_plans(request, Silent())))
    assert [each["alarm_id"] for each in shown["alarms"]] == [told["id"]]
    assert shown["alarms"][0]["found"]["kind"] == "index"


@dataclass
class Skewed(World):
    """A world in which the tasks that are open are asked for: few, though any state is taken for half of them."""

    def work(self) -> None:
        super().work()
        assert self._session is not None
        for _ in range(self.repeats):
            self._session.execute(b"SELECT max(filler) FROM task WHERE state = $1::text", ("open",))


@pytest.mark.server
def test_a_plan_for_any_values_in_place_of_its_own_is_found_and_not_taken_for_bloat(world: World) -> None:
    skewed = Skewed(world.server, world.database, world.ledger_path, size=400, repeats=6)
    skewed.run(
        f'ALTER DATABASE "{skewed.database}" SET enable_bitmapscan = off',
        "CREATE TABLE task AS SELECT CASE WHEN n % 2000 = 0 THEN 'open' WHEN n % 2 = 0 THEN 'done' ELSE 'sent' END"
        " AS state, repeat('x', 100) AS filler FROM generate_series(1, 40000) n",
        "CREATE INDEX task_state ON task (state)",
        "VACUUM ANALYZE task",
    )
    for _ in range(20):
        skewed.work()
    create(AnchorRequest(skewed.dsn, skewed.ledger_path), Silent())

    def change() -> None:
        skewed.run(f'ALTER DATABASE "{skewed.database}" SET plan_cache_mode = force_generic_plan')
        skewed.end()  # a session keeps the settings that it began with

    told = _watch_until_explained(skewed, change)
    skewed.end()
    document = status_document(skewed.path, now_ns=time.time_ns())
    [alarm] = [each for each in cast("list[dict[str, Any]]", document["open_alarms"]) if each["id"] == told["id"]]
    assert (alarm["evidence"]["plan"], alarm["evidence"]["cause"]["kind"]) == ("unchanged", None)
    assert alarm["evidence"]["blocks_factor"] > 2
    assert told["cause"] == "setting"
    [found] = alarm["evidence"]["attribution"]["found"]["objects"]
    assert (found["what"], found["name"], found["scope"]) == (
        "setting of database",
        "plan_cache_mode",
        skewed.database,
    )


@pytest.mark.server
def test_a_setting_of_the_role_that_runs_a_statement_is_found_though_the_watcher_has_it_not(world: World) -> None:
    world.run("CREATE ROLE plan_runner LOGIN SUPERUSER")
    try:
        world.work()
        anchor = create(AnchorRequest(world.dsn, world.ledger_path), Silent()).anchor
        world.run(
            "ALTER ROLE plan_runner SET enable_indexscan = off",
            "ALTER ROLE plan_runner SET enable_bitmapscan = off",
        )
        level = anchor.query(QueryIds().next_for(split(PLANNED)[0].fingerprint))
        assert level is not None
        assert level.counted is not None
        request = WhyRequest(
            world.dsn, str(world.ledger_path), anchor.id, level.query_id, level.counted.server_ids[0], PLANNED, ""
        )
        assert why(request) == {"found": None, "reason": "its plan for any values is the anchor's"}
        told = why(WhyRequest(**{**json.loads(request.line()), "role": "plan_runner"}))
        found = cast("dict[str, Any]", told["found"])
        assert found["kind"] in (CauseKind.SETTING.value, CauseKind.SEVERAL.value)
        assert {(each["what"], each["scope"]) for each in found["objects"]} == {("setting of role", "plan_runner")}
        # A process does the same, and one whose asker is gone ends by itself.
        child = ChildInquiry(WhyRequest(**{**json.loads(request.line()), "role": "plan_runner"}))
        child.wait(120)
        assert child.answer() == told
        orphan = ChildInquiry(request)
        assert orphan._process.stdin is not None
        orphan._process.stdin.close()
        orphan.wait(60)
        assert orphan._process.poll() is not None
        orphan.end()
    finally:
        world.run("DROP ROLE plan_runner")


@pytest.mark.server
def test_without_a_twin_it_says_why_there_is_no_proof(world: World) -> None:
    world.work()
    anchor = create(AnchorRequest(world.dsn, world.ledger_path, keeps_statistics=False), Silent()).anchor
    request = WhyRequest(world.dsn, str(world.ledger_path), anchor.id, "q", "1", PLANNED, "")
    assert why(request) == {"found": None, "reason": "the anchor does not have this statement"}
    level = anchor.queries[0]
    request = WhyRequest(world.dsn, str(world.ledger_path), anchor.id, level.query_id, "", PLANNED, "")
    told = why(request)
    assert told["found"] is None
    assert "anchor.no_statistics" in str(told["reason"])
    unknown = WhyRequest(world.dsn, str(world.ledger_path), "a-nothing", "q", "1", PLANNED, "")
    assert "(anchor." in str(why(unknown)["reason"])


@dataclass
class Told:
    """An inquiry whose end the test decides."""

    request: WhyRequest
    given: Mapping[str, object] | None = None
    is_ended: bool = False

    def answer(self) -> Mapping[str, object] | None:
        return self.given

    def wait(self, seconds: float) -> None:
        self.given = self.given or {"found": FOUND, "reason": ""}

    def end(self) -> None:
        self.is_ended = True


@dataclass
class Desk:
    """A watcher's file with alarms, and inquiries that the test answers."""

    store: WatchStore
    ledger_path: Path
    asked: list[Told] = field(default_factory=list)
    now: float = 0.0
    query: Query | None = field(
        default_factory=lambda: Query("q", "q", "SELECT $1", "SELECT $1", 1.0, QueryKind.READ, 1)
    )

    def proofs(self) -> Proofs:
        found = Proofs("", self.ledger_path, DATABASE, lambda: self.now, self._start)
        found.begin(self.store)
        return found

    def _start(self, request: WhyRequest) -> Told:
        self.asked.append(Told(request))
        return self.asked[-1]

    def scene(self) -> Scene:
        rows = SimpleNamespace(execute=lambda *_a, **_k: None)
        return Scene(self.store, cast("Connection", rows), 1, lambda _key: self.query)

    def alarm(self, number: int) -> Alarm:
        evidence = {"level_of": ANCHOR, "attribution": to_be_explained(ANCHOR, None, "changed")}
        alarm = Alarm(f"w-{number}", number, f"q{number}", (10, number, True), evidence)
        with self.store.writing():
            self.store.add_alarm(alarm)
        to_ledger(self.store, self.ledger_path, DATABASE)
        return alarm

    def attribution(self, number: int) -> Mapping[str, Any]:
        kept = self.store.alarm(f"w-{number}")
        assert kept is not None
        return cast("Mapping[str, Any]", kept.alarm.evidence["attribution"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(watch_proofs, "read", lambda _conn, _name, _values: [{"name": "app"}])
    with WatchStore.writer(tmp_path / "watch" / "one.db") as store:
        yield Desk(store, tmp_path / "ledger.db")


def test_only_what_a_plan_can_have_done_is_explained() -> None:
    waiting = to_be_explained(ANCHOR, {"kind": "plan change"}, "changed")
    assert waiting is not None
    assert (waiting["state"], waiting["anchor_id"]) == ("waiting", ANCHOR)
    assert to_be_explained(ANCHOR, {"kind": None}, "unchanged") is not None, "it may be another one for its role"
    for kind in ("host", "load", "data growth", "bloat"):
        assert to_be_explained(ANCHOR, {"kind": kind}, "unchanged") is None
    without = to_be_explained("learnt", None, "changed")
    assert without is not None
    assert (without["state"], without["reason"]) == ("none", NO_ANCHOR)
    assert to_be_explained("learnt", None, "unchanged") is None


def test_one_alarm_at_a_time_is_explained_and_the_ledger_has_each_once(desk: Desk) -> None:
    proofs = desk.proofs()
    assert proofs.go_on(desk.scene(), [desk.alarm(1), desk.alarm(2)]) == []
    assert proofs.go_on(desk.scene()) == []
    [first] = desk.asked
    assert (first.request.anchor_id, first.request.server_id, first.request.role) == (ANCHOR, "1", "app")
    first.given = {"found": FOUND, "reason": ""}
    [(kind, detail)] = proofs.go_on(desk.scene())
    assert (kind, detail["id"], detail["cause"]) == ("explained", "w-1", "index")
    kept = desk.store.alarm("w-1")
    assert kept is not None
    assert not is_waited_for(kept.alarm)
    assert [each["name"] for each in proven_objects(kept.alarm)] == ["i"]
    assert len(desk.asked) == 2
    desk.asked[1].given = {"found": None, "reason": "nothing differs"}
    [(_, detail)] = proofs.go_on(desk.scene())
    assert (detail["cause"], detail["reason"]) == ("not proven", "nothing differs")
    proofs.go_on(desk.scene())
    desk.proofs().go_on(desk.scene())
    with Ledger.open(desk.ledger_path) as ledger:
        entries = list(ledger.entries(Kind.WATCH_EXPLAINED))
    assert [entry.body["alarm_id"] for entry in entries] == ["w-1", "w-2"]
    assert desk.attribution(2)["ledger_seq"] == entries[1].seq


def test_an_inquiry_that_takes_too_long_is_ended_and_said_so(desk: Desk) -> None:
    proofs = desk.proofs()
    proofs.go_on(desk.scene(), [desk.alarm(1), desk.alarm(2)])
    desk.now = LONGEST_SECONDS + 1
    [(_, detail)] = proofs.go_on(desk.scene())
    assert "took more than" in str(detail["reason"])
    assert [told.is_ended for told in desk.asked] == [True, False]
    proofs.end()
    assert desk.asked[1].is_ended


def test_what_was_not_through_is_taken_up_after_a_restart_but_not_for_ever(desk: Desk) -> None:
    desk.proofs().go_on(desk.scene(), [desk.alarm(1)])
    for tries in range(2, MOST_TRIES + 1):
        desk.proofs().go_on(desk.scene())
        assert (len(desk.asked), desk.attribution(1)["state"]) == (tries, "waiting")
    [(_, detail)] = desk.proofs().go_on(desk.scene())
    assert len(desk.asked) == MOST_TRIES
    assert detail["cause"] == "not proven"


def test_what_waits_is_bounded_and_an_alarm_that_ended_is_not_explained(desk: Desk) -> None:
    proofs = desk.proofs()
    events = proofs.go_on(desk.scene(), [desk.alarm(number) for number in range(1, MOST_WAITING + 4)])
    assert [detail["id"] for _, detail in events] == [f"w-{MOST_WAITING + n}" for n in (1, 2, 3)]
    with desk.store.writing():
        desk.store.end_alarm("w-2", 5, "went away")
    desk.asked[0].given = {"found": FOUND, "reason": ""}
    told = {detail["id"]: detail["reason"] for _, detail in proofs.go_on(desk.scene())}
    assert "ended" in str(told["w-2"])
    assert [each.request.server_id for each in desk.asked] == ["1", "3"]


def test_a_lost_session_or_text_or_ledger_loses_no_alarm(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> list[dict[str, object]]:
        raise SourceError("gone", code="source.unreachable", next_step="")

    proofs = desk.proofs()
    with monkeypatch.context() as patch:
        patch.setattr(watch_proofs, "read", lost)
        assert proofs.go_on(desk.scene(), [desk.alarm(1)]) == []
        assert desk.asked == []
    proofs.go_on(desk.scene())
    assert len(desk.asked) == 1
    kept, desk.ledger_path = desk.ledger_path, desk.ledger_path.with_name("other.db")
    desk.ledger_path.write_text("no ledger")
    proofs.ledger_path = desk.ledger_path
    desk.asked[0].given = {"found": FOUND, "reason": ""}
    proofs.go_on(desk.scene())
    assert desk.attribution(1)["ledger_seq"] is None
    proofs.ledger_path = kept
    proofs.go_on(desk.scene())
    assert desk.attribution(1)["ledger_seq"] is not None
    desk.ledger_path, desk.query = kept, None
    [(_, detail)] = proofs.go_on(desk.scene(), [desk.alarm(2)])
    assert "cannot be planned" in str(detail["reason"])


def test_a_watcher_of_one_round_waits_for_what_is_to_be_explained(desk: Desk) -> None:
    events = desk.proofs().finish(desk.scene(), [desk.alarm(1), desk.alarm(2)])
    assert [detail["cause"] for _, detail in events] == ["index", "index"]
