"""A watcher over a real server: what it learns, what alarms, what it notices, and what outlives its own death."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from tests.places import system_bin
from trimtab.db.role import ALLOWED
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import BusyError, LedgerError, RefusedError, SourceError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import watch as watch_loop
from trimtab.lifecycle import watch_file, watch_store
from trimtab.lifecycle.anchoring import AnchorRequest, create
from trimtab.lifecycle.watch_store import HOUR, MINUTE, ROUND, WatchStore
from trimtab.model.watch import Silent
from trimtab.report.watching import status_document

from .watched import SCHEMA, SIZE, World

pytestmark = pytest.mark.server
_numbers = itertools.count(1)
LEARNT_AFTER = 36


@pytest.fixture
def new_world(counting_server: Server, tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(server: Server = counting_server) -> World:
        world = World(server, f"watched_{next(_numbers)}", tmp_path / "ledger.db")
        made.append(world)
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{world.database}" STRATEGY file_copy'.encode())
        world.run(*SCHEMA)
        return world

    yield make
    for world in made:
        world.end()
        with suppress(psycopg.OperationalError), psycopg.connect(world.server.dsn(), autocommit=True) as conn:
            conn.execute(f'DROP DATABASE IF EXISTS "{world.database}" WITH (FORCE)'.encode())


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    return new_world()


def test_it_says_that_it_learns_and_judges_nothing_until_then(world: World) -> None:
    world.watch(10)
    assert {told.state for told in world.told} == {"learning"}
    assert all(d.is_inside is None and d.note == "learning" for told in world.told for d in told.dimensions)
    document = status_document(world.path, now_ns=time.time_ns())
    assert (document["state"], document["running"], document["judged"]) == ("stopped", False, 0)
    back = status_document(world.path, now_ns=time.time_ns() - 7200 * 10**9)  # by a clock that was set back
    assert (back["age_seconds"], back["is_stale"], back["last_round"]) == (None, True, document["last_round"])


def test_a_superuser_watches_nothing_unless_told_at_the_beginning_and_when_it_connects_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget_and_lose(number: int) -> None:
        if number == 3:
            monkeypatch.delenv(ALLOWED)
            world.run(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'trimtab watch' and datname = current_database()"
            )

    world.before_round = forget_and_lose
    with pytest.raises(RefusedError, match="superuser") as later:
        world.watch(10)
    assert (later.value.code, len(world.told) >= 2) == ("read.overprivileged", True)
    told = len(world.told)
    with pytest.raises(RefusedError, match="superuser"):
        world.watch(10)
    assert len(world.told) == told


def test_an_unchanged_workload_does_not_alarm(world: World) -> None:
    assert world.watch(120) == 0
    assert world.kinds().count("learnt") == 1
    assert "alarm" not in world.kinds()
    last = world.told[-1]
    assert last.state == "watching"
    assert [d.name for d in last.dimensions] == [
        "query_throughput",
        "response_latency",
        "resource_efficiency",
        "concurrency_performance",
        "quantum_coherence",
    ]
    assert all(d.level is not None and d.low is not None and d.test for d in last.dimensions)


def test_a_planted_slow_down_alarms_once_with_its_evidence(world: World) -> None:
    world.before_round = lambda number: setattr(world, "size", 10 * SIZE) if number == LEARNT_AFTER + 10 else None
    world.ledger_path.write_text("no ledger")
    assert world.watch(LEARNT_AFTER + 150, until="alarm") == 1
    [alarm] = [alarm for told in world.told for alarm in told.alarms]
    evidence = alarm.evidence
    assert alarm.key is not None
    assert float(str(evidence["factor"])) > 2
    assert float(str(evidence["evidence"])) >= float(str(evidence["needed"]))
    assert evidence["plan"] == "unchanged"
    assert evidence["margin"] == 0.1
    assert evidence["smallest_effect"]
    cause = evidence["cause"]
    assert isinstance(cause, dict)
    assert cause["movement"]["is_plan_changed"] is False
    assert any(line.startswith("host: ") for line in cause["proof"]), "as it was when the level was learnt"
    stable = status_document(world.path, now_ns=time.time_ns())["stability"]
    assert isinstance(stable, dict)
    assert stable["breaches"] > 0
    assert stable["breaches_per_million"] < stable["at_most_per_million"]
    # A ledger that takes nothing now gets it later.
    with world.store() as store:
        assert [kept.alarm.id for kept in store.unrecorded_alarms()] == [alarm.id]
        assert "ledger_refused" in [kind for _, kind, _ in store.events(50)]
    world.ledger_path.unlink()
    # It stays open over a restart, and is not told again.
    world.told.clear()
    assert world.watch(20) == 1
    assert "alarm" not in world.kinds()
    with Ledger.open(world.ledger_path) as ledger:
        assert ledger.verify().verified
        [entry] = ledger.entries(Kind.WATCH_ALARMED)
    assert entry.body["alarm_id"] == alarm.id
    with world.store() as store:
        assert [kept.ledger_seq for kept in store.alarms(is_open=True)] == [entry.seq]
    # And ends when the statement is as it was.
    world.size = SIZE
    assert world.watch(150, until="ended") == 0
    assert "ended" in world.kinds()


def test_a_changed_plan_is_noticed_and_counts_as_changed(world: World) -> None:
    world.before_round = lambda number: world.run("DROP INDEX wide_id") if number == LEARNT_AFTER + 10 else None
    world.watch(LEARNT_AFTER + 40)
    changed = [detail for kind, detail in world.events() if kind == "plan_changed"]
    assert len(changed) == 1
    assert changed[0]["from"] != changed[0]["to"]
    assert "changed" in world.told[-1].dimensions[-1].note
    with world.store() as store:
        status = store.fact("status")
    assert isinstance(status, dict)
    assert status["plans_changed"] == 1


def test_learning_anew_takes_what_is_now_for_normal(world: World) -> None:
    world.watch(LEARNT_AFTER + 5)
    world.run("DROP INDEX wide_id")
    world.size = 10 * SIZE
    assert world.watch(LEARNT_AFTER + 60, anew=True) == 0
    assert world.kinds().count("learnt") == 2
    assert "plan_changed" not in world.kinds()
    assert world.told[-1].state == "watching"


def test_a_reset_is_noticed_and_never_differenced(world: World) -> None:
    reset = "SELECT pg_stat_statements_reset()"
    world.before_round = lambda number: world.run(reset) if number == 8 else None
    world.watch(16)
    assert [detail["code"] for kind, detail in world.events() if kind == "gap"] == ["reset"]
    with world.store() as store:
        slots = store.slots(ROUND)
    assert len(slots) < 15
    assert all((slot.counts >= 0).all() for slot in slots)
    # Nothing between the last reading before and the first one after it is counted.
    assert max(slot.counts[:, 0].sum() for slot in slots) < 400


def test_a_clock_that_was_set_is_noticed(world: World) -> None:
    shift = 0

    def step(number: int) -> None:
        nonlocal shift
        shift = 3600 * 10**9 if number >= 8 else 0

    world.before_round = step
    world.wall = lambda: time.time_ns() + shift
    world.watch(14)
    assert [detail["code"] for kind, detail in world.events() if kind == "gap"] == ["clock_stepped"]


def test_a_clock_that_is_set_back_ends_no_learning_and_what_is_seen_since_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_store, "KEPT_SLOTS", {ROUND: 360, MINUTE: 3, HOUR: 2})
    monkeypatch.setattr(watch_store, "LENGTH_NS", {MINUTE: 10**8, HOUR: 2 * 10**8})
    shift = 86400 * 10**9

    def step(number: int) -> None:
        nonlocal shift
        shift = 0 if number >= 20 else shift

    world.before_round = step
    world.wall = lambda: time.time_ns() + shift
    world.watch(80, until="learnt")
    assert [detail["code"] for kind, detail in world.events() if kind == "gap"] == ["clock_stepped"]
    assert "learnt" in world.kinds()
    now_ns = time.time_ns()
    with world.store() as store:
        for tier in (ROUND, MINUTE, HOUR):
            starts = [slot.start_ns for slot in store.slots(tier)]
            assert starts, tier
            assert max(starts) < now_ns, "what lies ahead makes way"
    assert status_document(world.path, now_ns=now_ns - 3600 * 10**9)["is_stale"]


def test_a_start_with_a_clock_of_long_ago_loses_no_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_store, "LENGTH_NS", {MINUTE: 10**8, HOUR: 2 * 10**8})
    world.watch(40)
    with world.store() as store:
        kept = {(tier, slot.start_ns) for tier in (MINUTE, HOUR) for slot in store.slots(tier)}
    assert kept
    long_ago = time.time_ns() - 86400 * 10**9
    world.wall = lambda: time.time_ns() - long_ago
    world.watch(6)
    world.wall = time.time_ns
    world.watch(6)
    with world.store() as store:
        assert kept <= {(tier, slot.start_ns) for tier in (MINUTE, HOUR) for slot in store.slots(tier)}


def test_a_restart_of_the_server_is_survived(new_world: Callable[..., World], tmp_path: Path) -> None:
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with Server.create(Binaries.find(), purpose="watch-restart", settings=settings) as server:
        world = new_world(server)

        def restart(number: int) -> None:
            if number == 8:
                server.stop()
            if number == 11:
                server.start()

        world.before_round = restart
        world.watch(20)
        assert world.troubles
        assert [detail["code"] for kind, detail in world.events() if kind == "gap"] == ["restarted"]
        with world.store() as store:
            kinds = [kind for _, kind, _ in store.events(50)]
        assert kinds.count("unreachable") == 1
        assert kinds.count("reachable") == 1
        assert world.told[-1].state == "learning"
        world.end()


def test_statements_that_the_server_forgets_are_not_differenced(new_world: Callable[..., World]) -> None:
    settings = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "100"}
    with Server.create(Binaries.find(), purpose="watch-evictions", settings=settings) as server:
        world = new_world(server)
        columns = ", ".join(f"0 AS c{n}" for n in range(30))
        world.run(f"CREATE TABLE many AS SELECT {columns}")

        def churn(number: int) -> None:
            world.run(*(f"SELECT c{n % 30}, c{number} FROM many" for n in range(30)))

        world.before_round = churn
        world.watch(20)
        with world.store() as store:
            status, slots = store.fact("status"), store.slots(ROUND)
        assert isinstance(status, dict)
        assert any(reason["reason"] == "counters began anew" for reason in status["not_judged"])
        assert status["evictions"] > 0
        assert all((slot.counts >= 0).all() for slot in slots)
        world.end()


def test_texts_that_the_server_has_lost_end_no_watch(new_world: Callable[..., World]) -> None:
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with Server.create(Binaries.find(), purpose="watch-texts", settings=settings) as server:
        world = new_world(server)

        def damage(number: int) -> None:
            if number == 6:
                (server.data_directory / "pg_stat_tmp" / "pgss_query_texts.stat").unlink()
                world.run("SELECT count(*), 'anything that is new' FROM wide")

        world.before_round = damage
        world.watch(14)
        assert world.troubles == []
        assert [told.state for told in world.told] == ["learning"] * 14
        with world.store() as store:
            assert store.slot_count(ROUND) == 13
            assert any(known.name.startswith("statement ") for known in store.statements().values())
        world.end()


@pytest.mark.system_postgres
def test_an_older_server_is_watched_too(new_world: Callable[..., World]) -> None:
    found = system_bin()
    if found is None:
        pytest.skip("the system has no PostgreSQL binaries")
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with Server.create(Binaries.find(found), purpose="watch-older", settings=settings) as server:
        world = new_world(server)
        assert world.watch(60) == 0
        assert world.kinds() == ["learnt"]
        assert world.told[-1].state == "watching"
        world.end()


def test_it_is_held_to_the_anchor_in_force(world: World) -> None:
    for _ in range(20):
        world.work()
    request = AnchorRequest(world.dsn, world.ledger_path, keeps_statistics=False)
    signed = create(request, Silent())
    world.size = 10 * SIZE
    assert world.watch(LEARNT_AFTER + 120, until="alarm") == 1
    [learnt] = [detail for kind, detail in world.events() if kind == "learnt"]
    assert learnt["level_of"] == signed.anchor.id
    # It was slow before anybody watched, and is told all the same; no plan is called changed that is not.
    [alarm] = [alarm for told in world.told for alarm in told.alarms if alarm.key is not None]
    assert alarm.evidence["level_of"] == signed.anchor.id
    assert "host: " in str(alarm.evidence["cause"]), "the anchor's probe is compared with"
    assert "plan_changed" not in world.kinds()


def test_an_anchor_that_comes_into_force_meanwhile_is_seen_and_ends_what_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_loop, "LOOK_SECONDS", 0.0)
    world.watch(LEARNT_AFTER, until="learnt")
    world.size = 10 * SIZE
    taken: list[str] = []

    def take(_number: int) -> None:
        if "alarm" in world.kinds() and not taken:
            request = AnchorRequest(world.dsn, world.ledger_path, keeps_statistics=False)
            taken.append(create(request, Silent()).anchor.id)

    world.before_round = take
    assert world.watch(LEARNT_AFTER + 120, until="learning") == 0
    told = [detail["id"] for kind, detail in world.events() if kind == "alarm"]
    ended = [detail for kind, detail in world.events() if kind == "ended"]
    assert {detail["id"]: detail["why"] for detail in ended} == dict.fromkeys(told, "another anchor is in force")
    world.before_round = lambda _number: None
    with closing(world.store()) as store:
        status = store.fact("status")
    assert isinstance(status, dict)
    assert status["level_of"] == taken[0]


def test_the_watcher_plans_with_the_settings_that_a_new_session_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ALTER DATABASE changes them: its session would keep those that it began with."""
    monkeypatch.setattr(watch_loop, "LOOK_SECONDS", 0.0)

    def change(number: int) -> None:
        if number == LEARNT_AFTER + 5:
            world.run(f'ALTER DATABASE "{world.database}" SET enable_indexscan = off')
            world.run(f'ALTER DATABASE "{world.database}" SET enable_bitmapscan = off')

    world.before_round = change
    world.watch(LEARNT_AFTER + 40, until="plan_changed")
    assert "plan_changed" in world.kinds()
    assert world.troubles == []


def test_another_database_in_its_place_ends_the_watch(world: World) -> None:
    def replace(number: int) -> None:
        if number == 6:
            world.end()
            with psycopg.connect(world.server.dsn(), autocommit=True) as conn:
                conn.execute(f'DROP DATABASE "{world.database}" WITH (FORCE)'.encode())
                conn.execute(f'CREATE DATABASE "{world.database}"'.encode())
            world.run(*SCHEMA)

    world.before_round = replace
    with pytest.raises(SourceError) as refused:
        world.watch(20)
    assert refused.value.code == "watch.replaced"


def test_single_rounds_do_not_begin_anew_on_a_server_that_was_replaced(world: World) -> None:
    world.work()
    world.watch(1, once=True)
    world.end()
    with psycopg.connect(world.server.dsn(), autocommit=True) as conn:
        conn.execute(f'DROP DATABASE "{world.database}" WITH (FORCE)'.encode())
        conn.execute(f'CREATE DATABASE "{world.database}"'.encode())
    world.run(*SCHEMA)
    world.work()
    with pytest.raises(SourceError) as refused:
        world.watch(1, once=True)
    assert refused.value.code == "watch.replaced"
    world.watch(1, once=True, anew=True)
    world.watch(1, once=True)


def test_a_second_watcher_is_refused_and_status_is_told_meanwhile(world: World) -> None:
    seen: dict[str, object] = {}

    def meanwhile(number: int) -> None:
        if number == 5:
            seen["status"] = status_document(world.path, now_ns=time.time_ns())
            with pytest.raises(BusyError) as refused:
                WatchStore.writer(world.path)
            seen["code"] = refused.value.code

    world.before_round = meanwhile
    world.watch(8)
    assert seen["code"] == "watch.busy"
    status = seen["status"]
    assert isinstance(status, dict)
    assert (status["running"], status["state"], status["is_stale"]) == (True, "learning", False)


@pytest.mark.parametrize("killed_after", [2, 3, 8])
def test_what_ran_while_nobody_watched_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    """A death leaves what the last checkpoint has, and rounds after it that the next start counts again."""
    with monkeypatch.context() as patch:
        patch.setattr(watch_loop._Watch, "close", lambda watching: watching.link.conn.close())
        world.watch(killed_after)
    world.work()
    world.watch(6)
    counted = "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE 'SELECT filler FROM wide%'"
    counted += " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with psycopg.connect(world.dsn) as conn:
        [[calls]] = conn.execute(counted.encode()).fetchall()
    with world.store() as store:
        [number] = [known.number for key, known in store.statements().items() if _is_of_wide(world, key)]
        slots = store.slots(ROUND)
    found = sum(float(slot.counts[slot.numbers == number, 0].sum()) for slot in slots)
    assert found == float(calls)


def _is_of_wide(world: World, key: tuple[int, int, bool]) -> bool:
    asked = "SELECT query LIKE 'SELECT filler FROM wide%%' FROM pg_stat_statements WHERE queryid = %s"
    with psycopg.connect(world.dsn) as conn:
        return bool(conn.execute(asked.encode(), (key[1],)).fetchone() == (True,))


def test_once_judges_against_what_earlier_rounds_have_left(world: World) -> None:
    for _ in range(4):
        world.work()
        world.watch(1, once=True)
    with world.store() as store:
        slots = store.slots(ROUND)
    assert len(slots) == 3
    assert all(slot.counts[:, 0].sum() >= 10 for slot in slots)


def test_a_server_without_the_extension_is_refused(world: World) -> None:
    world.run("DROP EXTENSION pg_stat_statements")
    with pytest.raises(SourceError) as refused:
        world.watch(3)
    assert refused.value.code == "source.no_pg_stat_statements"
    assert not (world.ledger_path.parent / "watch").exists()


@pytest.fixture
def reader(world: World) -> Iterator[str]:
    """A role that may see its own statements only."""
    world.run("CREATE ROLE watch_reader LOGIN")
    world.watched_as = "watch_reader"
    yield world.watched_as
    world.run("DROP ROLE watch_reader")


def test_a_role_that_sees_no_statement_of_others_is_told_so_at_once(world: World, reader: str) -> None:
    world.work()
    with pytest.raises(SourceError) as refused:
        world.watch(40)
    assert refused.value.code == "watch.blind"
    assert len(world.told) == 0


def test_a_right_that_is_lost_meanwhile_is_no_silence(world: World, reader: str) -> None:
    def change(number: int) -> None:
        if number == 4:
            world.run(f"REVOKE pg_read_all_stats FROM {reader}")
        if number == 8:
            world.run(f"GRANT pg_read_all_stats TO {reader}")

    world.run(f"GRANT pg_read_all_stats TO {reader}")
    world.work()
    world.before_round = change
    world.watch(12)
    assert [told.state for told in world.told] == ["learning"] * 4 + ["blind"] * 4 + ["learning"] * 4
    assert [kind for kind in world.kinds() if kind.startswith("statements")] == [
        "statements_hidden",
        "statements_shown",
    ]
    [hidden] = [detail for kind, detail in world.events() if kind == "statements_hidden"]
    assert hidden["statements"]
    assert 0.5 < float(str(hidden["share_of_time"])) <= 1.0


def test_an_extension_that_is_dropped_meanwhile_is_trouble_and_no_silence(world: World) -> None:
    def drop(number: int) -> None:
        if number == 5:
            world.run("DROP EXTENSION pg_stat_statements")
        if number == 9:
            world.run("CREATE EXTENSION pg_stat_statements")

    world.before_round = drop
    world.watch(16)
    assert {error.code for error in world.troubles} >= {"source.no_pg_stat_statements"}
    assert world.told[-1].state == "learning"


def test_the_state_is_bounded_whatever_the_number_of_rounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_store, "KEPT_SLOTS", {ROUND: 20, MINUTE: 3, HOUR: 2})
    # However fast the machine is, so many rounds take several of these.
    monkeypatch.setattr(watch_store, "LENGTH_NS", {MINUTE: 5 * 10**7, HOUR: 10**8})
    monkeypatch.setattr(watch_store, "MOST_EVENTS", 5)
    monkeypatch.setattr(watch_store, "KEPT_STATEMENTS", 3)
    world.watch(90)
    with world.store() as store:
        assert store.slot_count(ROUND) <= 20
        assert 0 < store.slot_count(MINUTE) <= 3
        assert store.slot_count(HOUR) <= 2
        assert len(store.events(100)) <= 5
        assert all(len(slot.numbers) <= 4 for slot in store.slots(MINUTE))
        assert 0 in store.slots(MINUTE)[-1].numbers


def test_a_store_that_cannot_be_written_ends_it_and_nothing_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.watch(5)
    with world.store() as store:
        before = store.slot_count(ROUND)
    with closing(sqlite3.connect(world.path)) as file:
        [pages] = file.execute("PRAGMA page_count").fetchone()
    connect = watch_file.open_database

    def limited(path: Path, *, is_writer: bool) -> sqlite3.Connection:
        found = connect(path, is_writer=is_writer)
        if is_writer:
            found.execute(f"PRAGMA max_page_count = {pages}")
        return found

    monkeypatch.setattr(watch_store, "open_database", limited)
    with pytest.raises(LedgerError) as refused:
        world.watch(200)
    assert refused.value.code == "watch.store_unwritable"
    monkeypatch.setattr(watch_store, "open_database", connect)
    world.watch(4)
    with world.store() as store:
        assert store.slot_count(ROUND) >= before


def test_a_file_that_is_no_store_is_refused(world: World) -> None:
    world.watch(3)
    world.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError) as refused:
        world.watch(3)
    assert refused.value.code == "watch.store_corrupt"


def test_a_file_that_could_not_be_begun_says_so_and_is_begun_by_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_file, "MOST_BYTES", 4096)
    with pytest.raises(LedgerError) as refused:
        world.watch(3)
    assert refused.value.code == "watch.store_unwritable"
    monkeypatch.undo()
    for content in (world.path.read_bytes(), b""):
        world.path.write_bytes(content)
        with pytest.raises(LedgerError) as refused:
            status_document(world.path, now_ns=1)
        assert refused.value.code == "watch.store_empty", "it is no other program's"
    world.watch(3)
    assert status_document(world.path, now_ns=1)["rounds"]
