"""Claims about a ledger that a PostgreSQL database keeps: who may write, what it refuses, and what moving it changes:
nothing.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from trimtab.embedded.server import Server
from trimtab.errors import LedgerError
from trimtab.ledger import postgres
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.migrate import migrate
from trimtab.ledger.place import name_server, server_of, store_file, use_server
from trimtab.ledger.required import Required
from trimtab.ledger.seen import SeenFiles

from .conftest import damage_at, past_the_triggers
from .written import Written, change_a_database, written

pytestmark = pytest.mark.server

NewDatabase = Callable[[], str]
WAITING = (
    "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    " and database = (select oid from pg_database where datname = current_database())"
)


@pytest.fixture
def kept(new_database: NewDatabase, tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "ledger.db"
    path.parent.mkdir()
    name_server(path, new_database())
    with Ledger.open(path) as ledger:
        change_a_database(ledger)
    return path


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(LedgerError) as refused:
        act()
    assert refused.value.next_step
    return refused.value.code


def append(path: Path) -> int:
    with Ledger.open(path) as ledger:
        return ledger.append(Kind.RUN_STARTED, {}).seq


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET kind = 'run_failed'",
        "DELETE FROM entries WHERE seq = 6",
        "TRUNCATE entries",
        "INSERT INTO entries SELECT 9, at_ns, kind, run_id, body, hash, hash FROM entries WHERE seq = 6",
        "INSERT INTO entries SELECT 7, at_ns, kind, run_id, body, prev_hash, hash FROM entries WHERE seq = 6",
        "UPDATE tree SET level = 9",
        "DELETE FROM checkpoints",
    ],
)
def test_the_tables_refuse_edits_and_forks(kept: Path, statement: str) -> None:
    conninfo = server_of(kept)
    assert conninfo is not None
    options = "-c search_path=trimtab_ledger"
    with closing(psycopg.connect(conninfo, options=options)) as session, pytest.raises(psycopg.errors.RaiseException):
        session.execute(statement.encode())
    with Ledger.open(kept) as ledger:
        assert ledger.verify().verified


def test_no_file_of_entries_is_made_and_its_name_holds_no_secret(kept: Path) -> None:
    assert not kept.exists()
    with Ledger.open(kept) as ledger:
        assert ledger.name.startswith("in ledger_")


def test_an_edit_is_found_and_named(kept: Path) -> None:
    past_the_triggers(kept, """UPDATE entries SET body = '{"intent_id":"i1","seconds":9}' WHERE seq = 3""")
    with Ledger.open(kept) as ledger:
        assert ledger.verify().first_bad == 3


def test_a_second_writer_waits_and_in_the_end_is_told(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_LOCK_TIMEOUT_MS", 300)
    conninfo = server_of(kept)
    assert conninfo is not None
    with closing(psycopg.connect(conninfo)) as holder, Ledger.open(kept) as ledger:
        holder.execute("select pg_advisory_xact_lock(%s, 1)", (postgres.LOCK_CLASS,))
        assert code_of(lambda: ledger.append(Kind.RUN_STARTED, {})) == "ledger.busy"
        timer = threading.Timer(0.1, holder.rollback)
        timer.start()
        assert ledger.append(Kind.RUN_STARTED, {}).seq == 7
        timer.join()


def test_who_waited_follows_what_was_written_meanwhile_whatever_isolation_the_database_gives(kept: Path) -> None:
    """By a snapshot from before the wait the other's entry would not be there."""
    conninfo = server_of(kept)
    assert conninfo is not None
    with closing(psycopg.connect(conninfo, autocommit=True)) as holder:
        name = sql.Identifier(holder.info.dbname)
        holder.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'").format(name))
        holder.execute("select pg_advisory_lock(%s, 1)", (postgres.LOCK_CLASS,))
        with Ledger.open(kept) as one, Ledger.open(kept) as another, ThreadPoolExecutor(2) as threads:
            written = [threads.submit(each.append, Kind.RUN_STARTED, {}) for each in (one, another)]
            try:
                while holder.execute(WAITING).fetchone() != (2,):
                    time.sleep(0.01)
            finally:
                holder.execute("select pg_advisory_unlock_all()")
            assert {each.result(30).seq for each in written} == {7, 8}


def test_many_may_make_it_at_once(new_database: NewDatabase, tmp_path: Path) -> None:
    """All find nothing there, one makes it, and who waited sees that it is made."""
    conninfo = new_database()
    paths = [tmp_path / f"machine{n}" / "ledger.db" for n in range(3)]
    for path in paths:
        path.parent.mkdir()
        name_server(path, conninfo)
    with closing(psycopg.connect(conninfo, autocommit=True)) as holder, ThreadPoolExecutor(3) as threads:
        holder.execute("select pg_advisory_lock(%s, 1)", (postgres.LOCK_CLASS,))
        made = [threads.submit(append, path) for path in paths]
        try:
            while holder.execute(WAITING).fetchone() != (3,):
                time.sleep(0.01)
        finally:
            holder.execute("select pg_advisory_unlock_all()")
        assert {each.result(30) for each in made} == {1, 2, 3}


def test_two_machines_write_one_chain_and_each_remembers_it(kept: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "ledger.db"
    other.parent.mkdir()
    name_server(other, server_of(kept))
    assert [append(path) for path in (other, kept, other)] == [7, 8, 9]
    with Ledger.open(kept) as one, Ledger.open(other) as another:
        assert one.verify() == another.verify()
    assert SeenFiles(other).head() == SeenFiles(kept).head()


def test_a_server_that_is_away_or_refuses_has_a_code(kept: Path, server: Server, new_database: NewDatabase) -> None:
    name_server(kept, "host=/nonexistent dbname=nowhere")
    assert code_of(lambda: Ledger.open(kept)) == "ledger.unwritable"
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE ROLE nobody_here LOGIN")
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    name_server(kept, psycopg.conninfo.make_conninfo(new_database(), user="nobody_here"))
    assert code_of(lambda: Ledger.open(kept)) == "ledger.unwritable"
    name_server(kept, server.dsn("latin"))
    assert code_of(lambda: Ledger.open(kept)) == "ledger.unwritable"


def test_a_connection_that_is_lost_loses_nothing(kept: Path, server: Server) -> None:
    with Ledger.open(kept) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'trimtab' and pid <> pg_backend_pid()"
            )
        assert code_of(lambda: ledger.append(Kind.RUN_STARTED, {})) == "ledger.unwritable"
        assert ledger.append(Kind.RUN_STARTED, {}).seq == 8
        assert ledger.verify().verified


@pytest.mark.parametrize("how", ["ended", "interrupted"])
def test_a_session_that_is_lost_while_an_entry_is_written_leaves_nothing_and_is_not_used_again(
    kept: Path, server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """In the middle of an append: when the writer's place is held, and nothing is sent yet."""

    def lose(_entries: Iterator[Entry]) -> None:
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
                " where application_name = 'trimtab' and pid <> pg_backend_pid()"
            )

    def interrupt(_entries: Iterator[Entry]) -> None:
        execute: Callable[..., object] = psycopg.Connection.execute

        def then_interrupt(session: psycopg.Connection[object], query: bytes, *values: object) -> object:
            if query == b"COMMIT":
                session.close()  # as a session of ours does that is interrupted there
                raise KeyboardInterrupt
            return execute(session, query, *values)

        patch.setattr(psycopg.Connection, "execute", then_interrupt)

    with Ledger.open(kept) as ledger:
        with (
            monkeypatch.context() as patch,
            pytest.raises(LedgerError if how == "ended" else KeyboardInterrupt) as lost,
        ):
            ledger.append(Kind.RUN_STARTED, {}, require=Required(lose if how == "ended" else interrupt))
        assert getattr(lost.value, "code", "") == ("ledger.unwritable" if how == "ended" else "")
        with Ledger.open(kept) as other:  # nobody holds the writer's place
            assert other.append(Kind.RUN_STARTED, {}).seq == 7
        assert ledger.append(Kind.RUN_STARTED, {}).seq == 8
        assert ledger.verify().verified
    assert [record.getMessage() for record in caplog.records if record.name != "psycopg"] == []


def test_a_later_version_is_refused(kept: Path) -> None:
    past_the_triggers(kept, "UPDATE version SET version = 99")
    assert code_of(lambda: Ledger.open(kept)) == "ledger.newer"


@pytest.fixture
def signed(tmp_path: Path) -> Written:
    return written(tmp_path / "ledger.db", changes=3)


def test_moving_there_and_back_changes_no_byte(signed: Written, new_database: NewDatabase) -> None:
    path = signed.path

    def picture() -> object:
        with Ledger.open(path) as ledger:
            return ledger.verify([signed.key]), list(ledger.rows()), ledger.notes()

    before, database = picture(), new_database()
    there = migrate(path, database)
    assert picture() == before
    assert there.found.entries == signed.size
    back = migrate(path, None)
    assert picture() == before
    assert (back.found, server_of(path)) == (there.found, None)
    with Ledger.open(path) as ledger:
        change_a_database(ledger, 9)
        assert ledger.verify([signed.key]).signed_entries == signed.size + 5
    again = migrate(path, database)  # which has the beginning of it
    assert again.found.entries == signed.size + 6
    assert append(path) == signed.size + 7


def test_a_password_is_refused_before_anything_is_moved(signed: Written, new_database: NewDatabase) -> None:
    assert code_of(lambda: migrate(signed.path, f"{new_database()} password=secret")) == "ledger.store"
    assert append(signed.path) == signed.size + 1


def test_a_program_that_still_has_the_old_store_open_adds_nothing_to_it(
    signed: Written, new_database: NewDatabase
) -> None:
    with Ledger.open(signed.path) as old:
        old.append(Kind.RUN_STARTED, {})
        migrate(signed.path, new_database())
        assert code_of(lambda: old.append(Kind.RUN_STARTED, {})) == "ledger.moved"
    with Ledger.open(signed.path) as there:
        migrate(signed.path, None)
        assert code_of(lambda: there.append(Kind.RUN_STARTED, {})) == "ledger.moved"
    assert append(signed.path) == signed.size + 2


def test_a_move_that_died_before_the_switch_is_taken_up(
    signed: Written, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = new_database()
    with monkeypatch.context() as patch:
        patch.setattr("trimtab.ledger.migrate.name_server", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            migrate(signed.path, target)
    assert code_of(lambda: append(signed.path)) == "ledger.moved"
    migrate(signed.path, target)
    assert append(signed.path) == signed.size + 1


def test_a_ledger_is_not_moved_onto_another_one_to_where_it_is_or_when_it_is_broken(
    signed: Written, kept: Path, new_database: NewDatabase, tmp_path: Path
) -> None:
    occupied, other = server_of(kept), tmp_path / "mine" / "ledger.db"
    other.parent.mkdir()
    mine = written(other, changes=2)
    assert code_of(lambda: migrate(other, occupied)) == "ledger.occupied"
    assert append(other) == mine.size + 1
    assert code_of(lambda: migrate(other, None)) == "ledger.same"
    past_the_triggers(other, "UPDATE entries SET kind = 'run_failed' WHERE seq = 2")
    assert code_of(lambda: migrate(other, new_database())) == "ledger.corrupt"


def test_a_store_that_trimtab_toml_names_is_taken_where_nothing_was_written_yet(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    path, conninfo = tmp_path / "ledger.db", new_database()
    Ledger.open(path).close()
    use_server(path, conninfo)
    use_server(path, conninfo)
    assert append(path) == 1
    assert code_of(lambda: use_server(path, new_database())) == "ledger.elsewhere"
    written_to = tmp_path / "used" / "ledger.db"
    written_to.parent.mkdir()
    append(written_to)
    assert code_of(lambda: use_server(written_to, conninfo)) == "ledger.elsewhere"
    assert code_of(lambda: name_server(path, "host=a password=b")) == "ledger.store"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": "trimtab.ledger.store/v1"}'])
def test_a_damaged_store_file_never_makes_a_second_ledger(kept: Path, content: bytes) -> None:
    store_file(kept).write_bytes(content)
    assert code_of(lambda: Ledger.open(kept)) == "ledger.store"
    assert not kept.exists()


def test_a_lost_store_file_is_noticed_before_anything_is_added(kept: Path) -> None:
    store_file(kept).unlink()
    assert code_of(lambda: append(kept)) == "ledger.truncated"
    with closing(sqlite3.connect(kept)) as raw:
        assert raw.execute("SELECT count(*) FROM entries").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE entries ALTER body TYPE bytea USING convert_to(body, 'UTF8')",
        "ALTER TABLE checkpoints ALTER size TYPE text USING 'abc' || size",
        "ALTER TABLE tree ALTER seq TYPE text USING 'abc' || seq",
        "ALTER TABLE entries RENAME body TO text",
        "DROP TABLE tree",
        "DROP TABLE entries",
        "DELETE FROM version",
        "INSERT INTO version VALUES (5)",
        "ALTER TABLE version ALTER version TYPE text USING 'abc'",
    ],
)
def test_tables_that_are_others_than_were_made_are_found_and_are_no_fault_inside(kept: Path, statement: str) -> None:
    conninfo = server_of(kept)
    assert conninfo is not None
    with Ledger.open(kept) as ledger:
        ledger.set_key()
        ledger.checkpoint()
    with closing(psycopg.connect(conninfo, autocommit=True)) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("SET search_path = trimtab_ledger")
        session.execute(statement.encode())
    assert damage_at(kept)
