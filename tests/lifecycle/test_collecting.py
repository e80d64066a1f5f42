"""Collectors see what ran on real servers, keep the last values of one that is gone, and lose nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from trimtab.api_history import open_history
from trimtab.db.role import ALLOWED
from trimtab.embedded.server import Server
from trimtab.errors import LedgerError, RefusedError, TrimtabError
from trimtab.history.facts import ServerFacts
from trimtab.history.faults import busy
from trimtab.history.reading import open_history as open_store
from trimtab.history.store import HistoryStore
from trimtab.history.values import Window
from trimtab.lifecycle.collect_server import Pace, Seen, ServerCollector, Target
from trimtab.lifecycle.collect_writing import HistoryWriter
from trimtab.lifecycle.collecting import Collecting, Remembered
from trimtab.lifecycle.live_fleet import LiveFleet

from .application import Application

pytestmark = pytest.mark.server
PACE = Pace(0.01, 0.01, 0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HistoryStore]:
    with open_store(tmp_path / "history.db") as opened:
        yield opened


def collector_of(dsn: str) -> ServerCollector:
    return ServerCollector(Target("shop", lambda: dsn), PACE, time.time_ns, time.monotonic, ServerFacts("shop"))


def looks(collector: ServerCollector, work: Callable[[], None], times: int = 3) -> list[Seen]:
    found = []
    for _ in range(times):
        found.append(collector.step()[0])
        work()
        time.sleep(0.02)
    found.append(collector.step()[0])
    return found


def test_what_ran_is_kept_with_its_text_and_without_its_literals(application: Application, store: HistoryStore) -> None:
    application.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "CREATE TABLE secret_keeper (word text)")
    collector = collector_of(application.dsn)
    writer = HistoryWriter(store, 0.01)
    writer.remembered("shop")
    try:
        for seen in looks(collector, lambda: application.run("SELECT * FROM secret_keeper WHERE word = 'canary-1'")):
            writer.seen("shop", seen)
    finally:
        collector.close()
    history = open_history(Path(store.name).with_name("ledger.db"))
    with history:
        page = history.top_queries("shop", history.last(60), search="secret_keeper")
        [query] = page.queries
        assert query.calls == 3
        assert "canary-1" not in query.text
        life = history.query("shop", query.query_id, history.last(60))
        assert sum(point.value * point.seconds for point in life.series["calls_per_second"].points if point.value) == (
            pytest.approx(3)
        )
        [server] = history.fleet()
        assert (server.state, server.database) == ("up", application.database)
        assert server.metrics["transactions_per_second"].value
        assert server.metrics["replication_lag_seconds"].value is None
        tables = history.tables("shop", history.last(60)).tables
        assert "secret_keeper" in {table.table for table in tables}
    assert b"canary-1" not in Path(store.name).read_bytes()


def test_a_server_that_goes_down_is_told_once_and_keeps_its_last_values(
    counting_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = [counting_server.dsn()]
    collector = ServerCollector(
        Target("shop", lambda: where[0]), PACE, time.time_ns, time.monotonic,
        ServerFacts("shop"),
    )  # fmt: skip
    try:
        with monkeypatch.context() as strict:
            strict.delenv(ALLOWED)
            refused, wait = collector.step()
            assert (refused.facts.is_up, refused.facts.code, refused.sample) == (False, "read.overprivileged", None)
            [(kind, detail)] = refused.events
            assert kind == "overprivileged"
            assert "monitoring does not need superuser" in str(detail["found"])
            again, longer = collector.step()
            assert (again.events, longer > wait) == ([], True), "told once"
        up = collector.step()[0]
        assert up.facts.is_up
        assert [kind for kind, _ in up.events] == ["reachable"]
        collector.close()
        where[0] = "host=/nonexistent dbname=x"
        down, wait = collector.step()
        assert not down.facts.is_up
        assert down.facts.last_ns == up.facts.last_ns
        assert [kind for kind, _ in down.events] == ["unreachable"]
        again, longer = collector.step()
        assert again.events == []
        assert longer > wait
        where[0] = counting_server.dsn()
        back = collector.step()[0]
        assert back.facts.is_up
        assert "reachable" in [kind for kind, _ in back.events]
    finally:
        collector.close()


def test_of_a_fleet_those_are_left_alone_whose_role_may_do_too_much_and_all_of_them_end_it(
    counting_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOWED)
    refused = Target("shop", counting_server.dsn)
    for targets in ([refused], [refused, Target("billing", lambda: "host=/nonexistent dbname=x")]):
        live = LiveFleet([target.name for target in targets])
        collecting = Collecting(targets, PACE, live)
        collecting.start()
        try:
            if len(targets) == 1:
                with pytest.raises(RefusedError, match="superuser"):
                    collecting.wait(30)
                continue
            deadline = time.monotonic() + 30
            while any(health.code == "" for health in live.fleet()):
                assert time.monotonic() < deadline
                collecting.wait(0.02)
            assert {health.name: health.code for health in live.fleet()} == {
                "shop": "read.overprivileged",
                "billing": "source.unreachable",
            }
        finally:
            collecting.stop()


def test_a_server_without_the_extension_is_measured_without_statements(
    new_application: Callable[[], Application],
) -> None:
    application = new_application()
    application.run("DROP EXTENSION IF EXISTS pg_stat_statements")
    collector = collector_of(application.dsn)
    try:
        seen = looks(collector, lambda: application.run("SELECT 1"))[-1]
    finally:
        collector.close()
    assert seen.facts.missing["statements"] == "source.no_pg_stat_statements"
    assert seen.interval is None
    assert seen.sample is not None
    assert ("database", application.database, "commits") in seen.sample.sums
    assert not [name for name in seen.sample.sums if name[0] == "statement"]


def test_a_setting_that_changes_is_an_event(new_application: Callable[[], Application]) -> None:
    application = new_application()
    collector = collector_of(f"{application.dsn}")
    try:
        collector.step()
        application.run(f"ALTER DATABASE \"{application.database}\" SET work_mem = '7MB'")
        collector.close()  # a setting of a database holds in new sessions
        time.sleep(0.02)
        seen = collector.step()[0]
    finally:
        collector.close()
    changed = [detail for kind, detail in seen.events if kind == "setting_changed"]
    assert [(each["setting"], each["to"]) for each in changed] == [("work_mem", "7168 kB")]


def test_what_the_store_does_not_take_waits_and_is_written_once(
    application: Application, store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = collector_of(application.dsn)
    troubles: list[str] = []
    kept: list[str] = []
    writer = HistoryWriter(
        store, 0.01, on_trouble=lambda _name, error: troubles.append(error.code), on_kept=kept.append
    )
    writer.remembered("shop")

    @contextmanager
    def refused(_store: HistoryStore) -> Iterator[object]:
        raise busy("history.db")
        yield

    def work() -> None:
        application.run("SELECT name FROM agent WHERE id = 41")

    try:
        with monkeypatch.context() as locked:
            locked.setattr(HistoryStore, "writing", refused)
            for seen in looks(collector, work):
                writer.seen("shop", seen)
        assert set(troubles) == {"history.busy"}
        assert not kept
        for seen in looks(collector, work):
            writer.seen("shop", seen)
    finally:
        collector.close()
    with open_history(Path(store.name).with_name("ledger.db")) as history:
        page = history.top_queries("shop", history.last(60), search="name from agent")
        assert [query.calls for query in page.queries] == [6]


def test_a_reset_of_the_counters_is_told_and_not_differenced(application: Application) -> None:
    application.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    collector = collector_of(application.dsn)
    try:
        looks(collector, lambda: application.run("SELECT 1"))
        application.run("SELECT pg_stat_statements_reset()")
        time.sleep(0.02)
        seen = collector.step()[0]
    finally:
        collector.close()
    assert seen.interval is None
    assert [detail["code"] for kind, detail in seen.events if kind == "statements_gap"] == ["reset"]


def test_clocks_that_differ_or_are_set_are_told_and_nothing_is_counted_across(
    application: Application, store: HistoryStore
) -> None:
    application.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    ahead_seconds = [0]

    def clock() -> int:
        return time.time_ns() + ahead_seconds[0] * 10**9

    collector = ServerCollector(
        Target("shop", lambda: application.dsn), PACE, clock, time.monotonic, ServerFacts("shop")
    )
    writer = HistoryWriter(store, 0.01)
    writer.remembered("shop")
    events: list[tuple[str, Mapping[str, object]]] = []
    try:
        for ahead in (0, 7200, -300, 0):
            ahead_seconds[0] = ahead
            for seen in looks(collector, lambda: application.run("SELECT id + 17 FROM agent"), times=2):
                events += [event for event in seen.events if event[0] in ("gap", "clocks_differ", "clocks_agree")]
                writer.seen("shop", seen)
                assert seen.sample is None or min(seen.sample.sums.values()) >= 0
    finally:
        collector.close()
    assert [kind for kind, _ in events] == ["clocks_differ", "gap", "clocks_differ", "gap", "clocks_agree", "gap"]
    told = [float(str(detail["server_ahead_seconds"])) for kind, detail in events if kind != "gap"]
    assert told == pytest.approx([-7200, 300, 0], abs=2)
    with open_history(Path(store.name).with_name("ledger.db")) as history:
        now = time.time_ns()
        whole = Window(now - 600 * 10**9, now + 8000 * 10**9)
        [query] = history.top_queries("shop", whole, search="id + $1").queries
        assert query.calls == 8, "what ran between two looks of one clock"
        [server] = history.fleet(Window(now - 60 * 10**9, now + 10**9))
        assert (server.state, server.missing.get("age")) == ("up", None)
        assert (server.age_seconds or 0.0) >= 0
        ahead_of_us = history.series("shop", ["clock_ahead_seconds"], whole)["clock_ahead_seconds"]
        values = {round(point.value, -1) for point in ahead_of_us.points if point.value is not None}
        assert values == {0, -7200, 300}


def test_processes_of_a_server_on_this_machine_are_measured(application: Application) -> None:
    collector = collector_of(application.dsn)
    try:
        seen = looks(collector, lambda: application.run("SELECT count(*) FROM generate_series(1, 300000)"))[-1]
    finally:
        collector.close()
    assert seen.sample is not None
    assert ("cpu", "server_seconds") in seen.sample.sums
    assert seen.sample.means["memory", "server_bytes"] > 0


class Heard:
    """What collectors told."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.has_seen = threading.Event()

    def seen(self, name: str, seen: Seen) -> None:
        assert (name, seen.facts.is_up) == ("gone", False)
        self.has_seen.set()

    def trouble(self, name: str, error: TrimtabError) -> None:
        assert name == "gone"
        self.codes.append(error.code)


def test_a_store_that_cannot_tell_at_first_is_asked_again() -> None:
    left = [LedgerError("", code=f"history.{why}", next_step="") for why in ("busy", "unwritable")]

    def remembered(name: str) -> Remembered:
        if left:
            raise left.pop()
        return Remembered(ServerFacts(name))

    heard = Heard()
    targets = [Target("gone", lambda: "host=/nonexistent dbname=x")]
    collecting = Collecting(targets, PACE, heard, remembered)
    collecting.start()
    try:
        assert heard.has_seen.wait(60)
    finally:
        collecting.stop()
    assert heard.codes == ["history.unwritable", "history.busy"]
    assert collecting.fault is None
