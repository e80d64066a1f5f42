"""Each store keeps what was seen, rolls it up, drops what is old, and gives it back by what was asked."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy.exc
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event

from trimtab.errors import LedgerError
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement
from trimtab.history.reading import History, open_history
from trimtab.history.rolling import drop_old, roll_up, set_aside
from trimtab.history.sample import Sample
from trimtab.history.slots import Slot
from trimtab.history.store import PART, PULSE, HistoryStore
from trimtab.history.tiers import DAY, HOUR, MINUTE, RAW, SECOND_NS, Retention
from trimtab.history.values import Ran, Window

NOON = 1_790_000_000 - 1_790_000_000 % 86_400


def at(seconds: float) -> int:
    return int((NOON + seconds) * SECOND_NS)


def server_in(store: HistoryStore, name: str = "shop") -> int:
    with store.writing() as connection:
        return store.server_id(connection, ServerFacts(name))


def slot_at(seconds: float, numbers: list[int], calls: float = 1.0) -> Slot:
    counts = np.full((len(numbers), 6), calls)
    return Slot(RAW, at(seconds), 10.0, 2.0, np.array(numbers, dtype=np.int64), counts)


def put(store: HistoryStore, server: int, until: int, numbers: list[int], *, roll_at: float | None = None) -> None:
    with store.writing() as connection:
        for second in range(0, until, 10):
            store.add_slot(connection, server, slot_at(second, numbers))
            store.add_sample(
                connection, server, PULSE, RAW,
                Sample(at(second), 10.0, {("wal", "bytes"): 5.0}, {("sessions",): second / 10}, {("sessions",): 3.0}),
            )  # fmt: skip
        roll_up(store, connection, server, at(until if roll_at is None else roll_at))
        drop_old(store, connection, server, at(until if roll_at is None else roll_at))


def test_a_server_is_one_under_its_name_and_keeps_its_facts(store: HistoryStore) -> None:
    first = server_in(store)
    assert server_in(store) == first
    assert server_in(store, "other") != first
    facts = ServerFacts("shop", where="db:5432", is_up=True, missing={"io": "too old"}, settings={"work_mem": "4 MB"})
    with store.writing() as connection:
        store.put_facts(connection, first, facts)
    assert (first, facts) in store.servers()


def test_minutes_hours_and_days_add_up_to_what_was_read(store: HistoryStore) -> None:
    server = server_in(store)
    numbers = [1, 2, PART + 5, 3 * PART]
    put(store, server, 2 * 3600, numbers, roll_at=86_400)
    for tier, length in ((MINUTE, 60), (HOUR, 3600), (DAY, 86_400)):
        slots = store.slots(server, tier, at(0), at(86_400))
        calls = sum(float(slot.counts[:, 0].sum()) for slot in slots)
        assert calls == pytest.approx(720 * len(numbers)), tier
        assert {slot.start_ns % (length * SECOND_NS) for slot in slots} == {0}
        samples = store.samples(server, PULSE, tier, at(0), at(86_400))
        assert sum(sample.sums["wal", "bytes"] for sample in samples) == 720 * 5
        assert sum(sample.seconds for sample in samples) == pytest.approx(7200)
    [day] = store.samples(server, PULSE, DAY, at(0), at(86_400))
    assert day.means["sessions",] == pytest.approx(sum(range(720)) / 720)
    assert day.peaks["sessions",] == 3.0


def test_what_is_not_over_is_not_rolled_up_and_nothing_is_counted_twice(store: HistoryStore) -> None:
    server = server_in(store)
    put(store, server, 90, [1])
    assert [slot.start_ns for slot in store.slots(server, MINUTE, at(0), at(3600))] == [at(0)]
    with store.writing() as connection:
        roll_up(store, connection, server, at(100))
        store.add_slot(connection, server, slot_at(90, [1]))
        roll_up(store, connection, server, at(121))
    minutes = store.slots(server, MINUTE, at(0), at(3600))
    assert [float(slot.counts[0, 0]) for slot in minutes] == [6.0, 4.0]


def test_one_statement_is_read_by_its_part_alone(store: HistoryStore) -> None:
    server = server_in(store)
    put(store, server, 60, [1, PART + 1])
    [slot] = store.slots(server, MINUTE, at(0), at(60), part=1)
    assert slot.numbers.tolist() == [PART + 1]


def test_when_queries_ran_is_told_of_many_at_once_and_nothing_of_one_that_was_never_seen(store: HistoryStore) -> None:
    server = server_in(store)
    with store.writing() as connection:
        known = [KnownStatement(0, (10, n, True), f"q{n % 300}", "", True, at(0), at(0)) for n in range(302)]
        store.add_statements(connection, server, known)
    put(store, server, 60, [1, 2, 301], roll_at=0)
    ran = History(store, clock=lambda: at(60)).ran("shop", ["q0", "q1", "q7", "nothing"], Window(at(10), at(40)))
    assert set(ran) == {"q0", "q1"}  # numbers 1 and 301 are q0, 2 is q1
    assert ran["q1"] == [Ran(at(second), at(second + 10), 1.0, 1.0) for second in (10, 20, 30)]
    assert sum(each.calls for each in ran["q0"]) == 6.0


def test_each_tier_is_kept_for_its_own_time(tmp_path: Path) -> None:
    kept = Retention({RAW: 600.0, MINUTE: 3600.0, HOUR: 86_400.0, DAY: 1e9})
    with open_history(tmp_path / "history.db", kept) as store:
        server = server_in(store)
        put(store, server, 3 * 3600, [1])
        assert store.slots(server, RAW, at(0), at(90_000))[0].start_ns == at(3 * 3600 - 600)
        assert store.slots(server, MINUTE, at(0), at(90_000))[0].start_ns == at(2 * 3600)
        assert len(store.slots(server, HOUR, at(0), at(90_000))) == 3


def test_statements_have_numbers_and_texts_that_come_later(store: HistoryStore) -> None:
    server, other = server_in(store), server_in(store, "other")
    first = KnownStatement(0, (10, -5, True), "", "", True, at(0), at(0))
    with store.writing() as connection:
        [number] = store.add_statements(connection, server, [first]).values()
        assert list(store.add_statements(connection, other, [first]).values()) == [1]
        store.describe_statements(connection, server, {number: ("q1", "SELECT $1", False)})
        store.saw_statements(connection, server, [number, 0], at(60))
    [found] = store.statements_named(server, "q1")
    assert (found.key, found.text, found.is_workload, found.seen_ns) == ((10, -5, True), "SELECT $1", False, at(60))
    assert store.statements(server, [number, 77]) == {number: found}


def test_events_are_paged_the_newest_first(store: HistoryStore) -> None:
    server = server_in(store)
    with store.writing() as connection:
        for second in range(5):
            kind = "gap" if second % 2 else "reachable"
            store.add_event(connection, server, at(second), kind, {"n": second})
    assert [event.detail["n"] for event in store.events(limit=2, offset=1)] == [3, 2]
    assert [event.detail["n"] for event in store.events(kinds=["gap"])] == [3, 1]
    assert [event.detail["n"] for event in store.events(begin_ns=at(1), end_ns=at(3))] == [2, 1]
    assert store.events(servers=[server + 1]) == []


def test_a_write_that_fails_leaves_nothing(store: HistoryStore) -> None:
    server = server_in(store)

    def write_half() -> None:
        with store.writing() as connection:
            store.add_event(connection, server, at(0), "gap", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert store.events() == []


def test_the_file_is_the_owners_alone_and_another_programs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    open_history(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = tmp_path / "other.db"
    other.write_bytes(b"no database, and longer than a header of one would be" * 10)
    with pytest.raises(LedgerError) as refused:
        open_history(other)
    assert refused.value.code == "history.corrupt"


def test_a_later_versions_file_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "history.db"
    open_history(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(LedgerError) as refused:
        open_history(path)
    assert refused.value.code == "history.newer"


def test_a_file_that_is_full_is_told_without_what_was_to_be_written(tmp_path: Path) -> None:
    with open_history(tmp_path / "history.db") as store:
        server = server_in(store)

        def write_too_much() -> None:
            with store.writing() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count = 1")
                store.add_event(connection, server, at(0), "gap", {"long": "secret" * 100_000})

        with pytest.raises(LedgerError) as refused:
            write_too_much()
        assert refused.value.code == "history.unwritable"
        assert "secret" not in str(refused.value)
        assert not isinstance(refused.value.__cause__, sqlalchemy.exc.DBAPIError)


@pytest.mark.server
def test_who_reads_on_a_server_begins_no_transaction_and_who_writes_holds_one_with_the_lock(
    new_database: Callable[[], str],
) -> None:
    def begun(connection: Connection) -> tuple[bool, int]:
        held = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ).scalar_one()
        session = connection.connection.driver_connection
        assert isinstance(session, psycopg.Connection)
        return session.info.transaction_status is TransactionStatus.INTRANS, held

    with open_history(new_database()) as store:
        for _ in range(2):
            with store.reading() as reading:
                assert begun(reading) == (False, 0)
            with store.writing() as writing:
                assert begun(writing) == (True, 1)


def collect(store: HistoryStore, server: int, begin: int, end: int) -> None:
    """Write rounds from one second to another, rolled up every ten minutes, as a collector does."""
    with store.writing() as connection:
        set_aside(store, connection, server, at(begin))
    for first in range(begin, end, 600):
        with store.writing() as connection:
            for second in range(first, min(first + 600, end), 10):
                # No two readings are of the same nanosecond, though a clock was set back.
                sample = Sample(at(second) + begin % 997, 10.0, {("wal", "bytes"): 1.0}, {("sessions",): 1.0})
                store.add_slot(connection, server, replace(slot_at(second, [1, PART + 1]), start_ns=sample.start_ns))
                store.add_sample(connection, server, PULSE, RAW, sample)
            roll_up(store, connection, server, at(min(first + 600, end)))


def counted(store: HistoryStore, server: int, tier: int, begin: float = 0, end: float = 86_400) -> tuple[float, float]:
    """Return how many rounds a tier tells of, by what ran and by what was seen."""
    slots = store.slots(server, tier, at(begin), at(end))
    samples = store.samples(server, PULSE, tier, at(begin), at(end))
    return (
        sum(float(slot.counts[:, 0].sum()) for slot in slots) / 2,
        sum(sample.sums["wal", "bytes"] for sample in samples),
    )


def test_a_clock_that_was_hours_ahead_for_a_while_keeps_nothing_later_from_being_rolled_up(store: HistoryStore) -> None:
    server = server_in(store)
    collect(store, server, 6 * 3600, 6 * 3600 + 900)
    collect(store, server, 0, 3 * 3600)
    assert counted(store, server, MINUTE, 0, 5 * 3600) == (1080, 1080)
    assert counted(store, server, HOUR, 0, 5 * 3600) == (1080, 1080)
    assert counted(store, server, MINUTE) == (1170, 1170), "and what was written ahead is there too"


def test_a_time_that_is_told_twice_counts_twice_and_nothing_of_it_is_lost(store: HistoryStore) -> None:
    server = server_in(store)
    collect(store, server, 0, 2 * 3600 + 600)
    collect(store, server, 1800, 1860)  # set back twice, over the same minutes
    collect(store, server, 1800, 5 * 3600)
    whole = 780 + 6 + 1620
    assert counted(store, server, MINUTE) == (whole, whole)
    assert counted(store, server, HOUR) == (whole, whole)
    with store.writing() as connection:
        roll_up(store, connection, server, at(86_400))
    assert counted(store, server, DAY) == (whole, whole)
    metric = History(store, clock=lambda: at(86_400)).metrics("shop", Window(at(0), at(5 * 3600)))
    assert metric["wal_bytes_per_second"].value == pytest.approx(0.1), "a rate is over what was measured"


def test_an_hour_of_which_only_some_minutes_are_left_is_not_counted_again(tmp_path: Path) -> None:
    kept = Retention({RAW: 600.0, MINUTE: 1800.0, HOUR: 1e9, DAY: 1e9})
    with open_history(tmp_path / "history.db", kept) as store:
        server = server_in(store)
        collect(store, server, 0, 2 * 3600)
        with store.writing() as connection:
            drop_old(store, connection, server, at(2 * 3600))
        assert counted(store, server, MINUTE) == (180, 180)
        collect(store, server, 3600 + 720, 3 * 3600)
        assert counted(store, server, HOUR) == (720 + 648, 720 + 648)


def test_a_clock_that_was_set_back_hides_nothing_of_the_last_minutes(store: HistoryStore) -> None:
    server = server_in(store)
    collect(store, server, 0, 2 * 3600)
    collect(store, server, 3600, 3600 + 90)
    window = Window(at(3600 - 900), at(3600 + 90))
    page = History(store, clock=lambda: at(3600 + 90)).top_queries("shop", window, limit=5)
    assert page.rest is not None
    # The quarter of an hour before, what is told again, and the two minutes that were told already.
    assert page.rest.calls == 2 * (90 + 9 + 12)


def test_a_clock_that_is_decades_behind_moves_nothing(store: HistoryStore) -> None:
    server = server_in(store)
    collect(store, server, 0, 2 * 3600)
    before = [counted(store, server, tier) for tier in (RAW, MINUTE, HOUR)]
    collect(store, server, -NOON, -NOON + 1200)
    assert [counted(store, server, tier) for tier in (RAW, MINUTE, HOUR)] == before
    assert {slot.start_ns % (60 * SECOND_NS) for slot in store.slots(server, MINUTE, at(0), at(86_400))} == {0}
    assert counted(store, server, MINUTE, -NOON, -NOON + 3600) == (120, 120)
    collect(store, server, 2 * 3600, 3 * 3600)
    assert counted(store, server, HOUR) == (1080, 1080)


def test_a_clock_that_is_far_ahead_takes_a_day_of_what_is_old_in_an_hour(store: HistoryStore) -> None:
    server = server_in(store)
    day = 86_400
    with store.writing() as connection:
        chunks = [(at(-n * day), at(-n * day), 1, b"") for n in range(29, -1, -1)]
        store.add_executions(connection, server, chunks)
    collect(store, server, 40 * day, 40 * day + 3600)
    with store.writing() as connection:
        drop_old(store, connection, server, at(40 * day + 3600))
    assert len(store.executions(server, at(-30 * day), at(day))) == 29
    assert counted(store, server, HOUR, 40 * day, 41 * day) == (360, 360)


@pytest.mark.parametrize(
    ("now", "state", "age"), [(7199.5, "up", 0.0), (7204, "up", 4.0), (7300, "stale", 100.0), (0, "stale", None)]
)
def test_values_that_are_dated_later_than_now_have_no_age_and_none_is_negative(
    store: HistoryStore, now: float, state: str, age: float | None
) -> None:
    server = server_in(store)
    with store.writing() as connection:
        facts = ServerFacts("shop", is_up=True, first_ns=at(0), last_ns=at(7200), tried_ns=at(7200))
        store.put_facts(connection, server, facts)
    [health] = History(store, clock=lambda: at(now)).fleet()
    assert (health.state, health.age_seconds) == (state, age)
    assert ("7,200 s later than it is here" in health.missing.get("age", "")) == (age is None)


def test_what_ran_in_a_stretch_is_found_by_its_time_whoever_asks(tmp_path: Path) -> None:
    sent: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, is_many: bool) -> None:
        asked = statement.partition("WHERE")[2].partition("ORDER BY")[0]
        if "FROM slots" in statement and "start_ns" in asked and not is_many:
            sent.append((statement, parameters))

    with open_history(tmp_path / "history.db") as store:
        server = server_in(store)
        event.listen(Engine, "before_cursor_execute", note)
        try:
            put(store, server, 7200, [1, 2 * PART])
            History(store, clock=lambda: at(7200)).top_queries("shop", Window(at(0), at(7200)))
            collect(store, server, 3600, 7200)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        with store.reading() as connection:
            plans = [
                (statement, row.detail)
                for statement, parameters in sent
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                if " slots" in row.detail
            ]
    assert {statement.split()[0] for statement, _ in plans} == {"SELECT", "DELETE"}
    assert [(statement, plan) for statement, plan in plans if "part=? AND start_ns" not in plan] == []
