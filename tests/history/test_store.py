"""Each store keeps what was seen, rolls it up, drops what is old, and gives it back by what was asked."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
import pytest
import sqlalchemy.exc
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection

from trimtab.errors import LedgerError
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement
from trimtab.history.reading import History, open_history
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
        store.roll_up(connection, server, at(until if roll_at is None else roll_at))


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
        store.roll_up(connection, server, at(100))
        store.add_slot(connection, server, slot_at(90, [1]))
        store.roll_up(connection, server, at(121))
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
