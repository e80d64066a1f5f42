"""Claims about appending, reading and opening, on real files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from trimtab.errors import LedgerError
from trimtab.ledger.entry import GENESIS, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.schema import SCHEMA_VERSION

from .conftest import Clock, damage_at, past_the_triggers

NOBODY = 65534


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may write anywhere; file rights mean something to others only."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def open_code(path: Path) -> str:
    with pytest.raises(LedgerError) as refused:
        Ledger.open(path)
    assert refused.value.next_step
    assert refused.value.exit_code == 7
    return refused.value.code


def test_entries_are_numbered_chained_and_read_back(ledger: Ledger) -> None:
    first = ledger.append(Kind.RUN_STARTED, {"apply": True}, run_id="r-1")
    second = ledger.append(Kind.RUN_FINISHED, {"before_ms": 1.5, "after_ms": None})
    assert (first.seq, first.prev_hash, second.seq, second.prev_hash) == (1, GENESIS, 2, first.hash)
    assert list(ledger.entries()) == [first, second]
    assert ledger.last() == second
    assert ledger.head == second.hash
    assert ledger.verify().verified
    assert ledger.verify().entries == 2
    assert ledger.verify().head == second.hash


def test_an_empty_ledger_verifies_and_has_the_genesis_head(ledger: Ledger) -> None:
    assert (ledger.head, ledger.last(), list(ledger.entries())) == (GENESIS, None, [])
    verification = ledger.verify()
    assert (verification.verified, verification.entries, verification.first_bad) == (True, 0, None)


def test_entries_can_be_asked_for_by_kind_and_run(ledger: Ledger) -> None:
    for run_id in ("r-1", "r-2", None):
        for kind in (Kind.RUN_STARTED, Kind.RUN_FAILED):
            ledger.append(kind, {}, run_id=run_id)
    assert [e.seq for e in ledger.entries(run_id="r-2")] == [3, 4]
    assert [e.seq for e in ledger.entries(Kind.RUN_FAILED)] == [2, 4, 6]
    assert [e.seq for e in ledger.entries(Kind.RUN_FAILED, "r-1")] == [2]


def test_more_entries_than_a_page_are_all_read_and_appending_meanwhile_is_allowed(ledger: Ledger) -> None:
    for number in range(510):
        ledger.append(Kind.RECONCILED, {"number": number})
    seen = []
    for entry in ledger.entries():
        if entry.seq == 1:
            ledger.append(Kind.RECONCILED, {"number": 510})
        seen.append(entry.body["number"])
    assert seen == list(range(511))
    assert ledger.verify().entries == 511


def test_time_never_runs_backwards(ledger: Ledger, clock: Clock) -> None:
    first = ledger.append(Kind.RUN_STARTED, {})
    clock.now_ns -= 3_600_000_000_000
    second = ledger.append(Kind.RUN_FINISHED, {})
    assert second.at_ns == first.at_ns
    assert ledger.verify().verified


def test_a_refused_body_leaves_nothing(ledger: Ledger) -> None:
    for body, code in (({"x": 2**60}, "ledger.body"), ({"x": "host=a password=b"}, "ledger.secret")):
        with pytest.raises(LedgerError) as refused:
            ledger.append(Kind.RUN_STARTED, body)
        assert refused.value.code == code
    assert ledger.last() is None


def test_the_file_belongs_to_its_owner_alone(file_ledger: Ledger) -> None:
    file_ledger.append(Kind.RUN_STARTED, {})
    for file in file_ledger.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET kind = 'run_failed'",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries SELECT seq, at_ns, 'run_failed', run_id, body, prev_hash, hash FROM entries",
        "INSERT INTO entries SELECT 7, at_ns, kind, run_id, body, hash, hash FROM entries",
        "INSERT INTO entries SELECT 2, at_ns, kind, run_id, body, prev_hash, hash FROM entries",
    ],
)
def test_the_file_itself_refuses_edits_and_forks(file_ledger: Ledger, statement: str) -> None:
    file_ledger.append(Kind.RUN_STARTED, {})
    with closing(sqlite3.connect(file_ledger.path)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute(statement)
    assert file_ledger.verify().verified


def test_two_processes_and_several_threads_never_fork_the_chain(place: Path) -> None:
    path = place
    script = (
        "import sys; from pathlib import Path; from trimtab.ledger.ledger import Ledger; "
        "from trimtab.ledger.entry import Kind\n"
        "with Ledger.open(Path(sys.argv[1])) as ledger:\n"
        "    for n in range(25): ledger.append(Kind.RECONCILED, {'n': n}, run_id=sys.argv[2])"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, str(path), f"p{n}"]) for n in range(2)]
    with Ledger.open(path) as ledger, ThreadPoolExecutor(3) as threads:
        mine = [threads.submit(ledger.append, Kind.RECONCILED, {"n": n}, run_id="t") for n in range(25)]
        assert {other.wait(120) for other in others} == {0}
        assert len({future.result().seq for future in mine}) == 25
        verification = ledger.verify()
        assert (verification.verified, verification.entries) == (True, 75)
        assert [entry.body["n"] for entry in ledger.entries(run_id="p1")] == list(range(25))


def test_a_ledger_that_others_append_to_meanwhile_verifies(place: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with Ledger.open(place) as ledger:
            while not stop.is_set():
                ledger.append(Kind.APPLY_DONE, {})

    with Ledger.open(place) as ledger, ThreadPoolExecutor(1) as threads:
        ledger.set_key()
        writer = threads.submit(write)
        try:
            found = [ledger.verify() for _ in range(20)]
        finally:
            stop.set()
        writer.result()
    assert [each.reason for each in found] == [""] * 20


def test_many_may_create_it_at_once(tmp_path: Path) -> None:
    def start(number: int) -> int:
        with Ledger.open(tmp_path / f"ledger-{number // 8}.db") as ledger:
            return ledger.append(Kind.RECONCILED, {}).seq

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(start, range(40)))
    assert sorted(numbers) == sorted(list(range(1, 9)) * 5)


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    assert open_code(path) == "ledger.corrupt"
    assert path.read_text() == "remember the milk\n" * 100
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    assert open_code(other) == "ledger.corrupt"
    with closing(sqlite3.connect(other)) as raw:
        raw.execute("PRAGMA user_version = 1")
    assert open_code(other) == "ledger.corrupt"


def test_a_ledger_of_a_later_version_is_refused(file_ledger: Ledger) -> None:
    with closing(sqlite3.connect(file_ledger.path)) as raw:
        raw.execute("PRAGMA user_version = 99")
    assert open_code(file_ledger.path) == "ledger.newer"


def test_a_ledger_of_the_version_before_is_taken_over(file_ledger: Ledger) -> None:
    for number in range(5):
        file_ledger.append(Kind.RUN_STARTED, {"number": number})
    with closing(sqlite3.connect(file_ledger.path)) as raw:
        raw.executescript("DROP TABLE tree; DROP TABLE checkpoints; DROP INDEX entries_keys; PRAGMA user_version = 1")
    with Ledger.open(file_ledger.path) as again:
        again.append(Kind.ANCHOR_RELEASED, {"anchor_id": "a-1"})
        assert again.verify().verified
    with closing(sqlite3.connect(file_ledger.path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_damaged_file_is_named_by_open_or_by_verify(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        for number in range(200):
            ledger.append(Kind.RECONCILED, {"number": number, "padding": "x" * 500})
    whole = path.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:middle] + bytes(8192) + whole[middle + 8192 :])
    with Ledger.open(path) as ledger:
        verification = ledger.verify()
        assert not verification.verified
        assert verification.first_bad is not None
        with pytest.raises(LedgerError) as refused:
            list(ledger.entries())
        assert refused.value.code == "ledger.corrupt"
    path.write_bytes(whole[:middle])
    assert open_code(path) == "ledger.corrupt"


def test_an_append_after_an_edited_last_entry_is_refused(ledger: Ledger) -> None:
    ledger.append(Kind.RUN_STARTED, {"apply": False})
    past_the_triggers(ledger.path, """UPDATE entries SET body = '{"apply":true}'""")
    with pytest.raises(LedgerError) as refused:
        ledger.append(Kind.RUN_FINISHED, {})
    assert refused.value.code == "ledger.corrupt"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert open_code(file / "ledger.db") == "ledger.unwritable"
    assert open_code(tmp_path / "nowhere" / "ledger.db") == "ledger.unwritable"
    assert open_code(tmp_path) == "ledger.unwritable"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "target")
    assert open_code(dangling) == "ledger.unwritable"
    assert not (tmp_path / "target").exists()


def test_a_read_only_ledger_is_named_before_anything_is_done() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        Ledger.open(path).close()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        try:
            with ordinary_user(), pytest.raises(LedgerError) as refused, Ledger.open(path) as ledger:
                ledger.append(Kind.RUN_STARTED, {})
            assert refused.value.code == "ledger.unwritable"
        finally:
            path.parent.chmod(0o700)


def test_a_full_disk_refuses_the_append_and_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    script = """
import resource, sys
from pathlib import Path
from trimtab.errors import LedgerError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.schema import SCHEMA_VERSION
with Ledger.open(Path(sys.argv[1])) as ledger:
    ledger.append(Kind.RUN_STARTED, {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        while True:
            print(ledger.append(Kind.RECONCILED, {"padding": "x" * 5000}).seq)
    except LedgerError as error:
        print(error.code)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(ledger.append(Kind.RUN_FAILED, {}).seq)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    *written, code, after = done.stdout.split()
    assert code == "ledger.unwritable"
    assert len(written) > 5
    assert int(after) == int(written[-1]) + 1
    with Ledger.open(path) as ledger:
        assert ledger.verify().verified
        assert ledger.verify().entries == int(after)


def test_on_a_full_disk_it_can_be_read_and_is_written_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, room = tmp_path / "ledger.db", os.statvfs(tmp_path)
    Ledger.open(path).close()
    with Ledger.open(path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    full = os.statvfs_result((*room[:3], 0, 0, *room[5:]))
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _path: full)
        with Ledger.open(path) as ledger:
            assert ledger.verify().verified
            with pytest.raises(LedgerError) as refused:
                ledger.append(Kind.RUN_FINISHED, {})
            assert refused.value.code == "ledger.unwritable"
        assert not list(tmp_path.glob("*-shm"))
    with Ledger.open(path) as ledger:
        assert ledger.append(Kind.RUN_FINISHED, {}).seq == 2


def test_an_empty_file_and_a_half_created_one_become_a_ledger(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch(0o600)
    half = tmp_path / "half.db"
    with closing(sqlite3.connect(half)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
    for path in (empty, half):
        with Ledger.open(path) as ledger:
            assert ledger.append(Kind.RUN_STARTED, {}).seq == 1


@pytest.mark.parametrize(
    ("table", "values"),
    [("tree", "('abc', 0, x'00')"), ("checkpoints", "('abc', 'x')"), ("tree", "(1.5, 0, x'00')")],
)
def test_numbers_that_are_none_are_found_and_are_no_fault_inside(tmp_path: Path, table: str, values: str) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.append(Kind.RECONCILED, {})
        ledger.set_key()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(f"DROP TRIGGER {table}_follow")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        if table == "checkpoints":  # whose number is the row's, which is a whole one
            raw.execute("DROP TABLE checkpoints")
            raw.execute("CREATE TABLE checkpoints (size, note)")
        raw.execute(f"INSERT INTO {table} VALUES {values}")
    assert damage_at(path)


@pytest.mark.parametrize("way", ["removed", "moved", "replaced", "with its directory"])
def test_nothing_is_added_to_a_file_that_has_lost_its_name(tmp_path: Path, way: str) -> None:
    path = tmp_path / "state" / "ledger.db"
    path.parent.mkdir()
    with Ledger.open(path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
        copy = path.read_bytes()
        if way == "with its directory":
            shutil.rmtree(path.parent)
        elif way == "moved":
            path.rename(tmp_path / "elsewhere")
        else:
            path.unlink()
        if way == "replaced":
            path.write_bytes(copy)
        with pytest.raises(LedgerError) as refused:
            ledger.append(Kind.RUN_FINISHED, {})
        assert refused.value.code == "ledger.unwritable"
        with pytest.raises(LedgerError) as refused:
            ledger.checkpoint()
        assert refused.value.code == "ledger.unwritable"


SWALLOWED = (
    "CREATE TRIGGER zz BEFORE INSERT ON entries BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER zz AFTER INSERT ON entries BEGIN DELETE FROM entries WHERE seq = NEW.seq; END",
)


@pytest.mark.parametrize("trigger", SWALLOWED)
def test_an_entry_that_a_trigger_swallows_is_not_said_to_be_there(tmp_path: Path, trigger: str) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute("DROP TRIGGER entries_stay")
            raw.execute(trigger)
        with pytest.raises(LedgerError) as refused:
            ledger.append(Kind.RUN_FINISHED, {})
        assert refused.value.code == "ledger.corrupt"


def test_a_session_of_another_file_writes_nothing_once_the_first_is_back(tmp_path: Path) -> None:
    path, aside = tmp_path / "ledger.db", tmp_path / "aside"
    with Ledger.open(path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = path.read_bytes()
        ledger.append(Kind.RUN_STARTED, {})
        path.rename(aside)
        path.write_bytes(copy)
        with ledger._store.reading(), ledger._store.reading(), ledger._store.reading() as third:
            third.exec_driver_sql("SELECT count(*) FROM entries").all()
        aside.rename(path)
        said = 0
        for _ in range(6):
            try:
                ledger.append(Kind.RUN_STARTED, {})
                said += 1
            except LedgerError as error:
                assert error.code == "ledger.unwritable"  # noqa: PT017
    with Ledger.open(path) as again:
        assert len(list(again.entries())) == 2 + said
        assert again.verify().verified


@pytest.mark.parametrize("number", ["NULL", "'x'", "4.5", "x'00'", "1"])
def test_numbers_that_are_none_or_there_twice_are_told(tmp_path: Path, number: str) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        for _ in range(3):
            ledger.append(Kind.RUN_STARTED, {})
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("CREATE TABLE other AS SELECT * FROM entries")
        raw.execute("DROP TABLE entries")
        raw.execute("CREATE TABLE entries (seq, at_ns, kind, run_id, body, prev_hash, hash)")
        raw.execute("INSERT INTO entries SELECT * FROM other")
        raw.execute(f"UPDATE entries SET seq = {number} WHERE seq = 2")
    with Ledger.open(path) as ledger:
        assert not ledger.verify().verified
        for ask in (lambda: list(ledger.entries()), lambda: ledger.erase([1, 2, 3], {})):
            try:
                ask()
            except LedgerError as error:
                assert error.code in ("ledger.corrupt", "ledger.truncated", "ledger.forked")  # noqa: PT017
