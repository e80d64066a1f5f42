"""Claims about what entries withhold: no byte of the ledger has it, who reads entries here has it, it can be erased."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.embedded.server import Server
from trimtab.errors import LedgerError
from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.export import entry_document, export_lines
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.migrate import migrate
from trimtab.ledger.pending import applied_changes
from trimtab.ledger.place import name_server, server_of
from trimtab.ledger.proof import ProofFlawError
from trimtab.ledger.required import Required
from trimtab.ledger.schema import SCHEMA_VERSION
from trimtab.ledger.sqlite import FENCE
from trimtab.ledger.statement import change_statement, stated
from trimtab.ledger.store import Store
from trimtab.ledger.withheld import MARK, digests_in, opened, withheld
from trimtab.model.change import ERASED, Change, CreateIndex, DropIndex, change_digest, change_from_dict, change_to_dict
from trimtab.signing.keys import SigningKey

from .written import DATABASE, change_a_database

ABOUT: dict[str, Json] = {"strategy_id": "s-1", "by": "dba"}
SECRET = "Canary-4711-Predicate"
TAIL = f"USING btree (day) WHERE (status = '{SECRET}'::text)"
CREATE = CreateIndex("public", "orders", "orders_day_part", TAIL, ("day",))
DROP = DropIndex("public", "orders", "orders_day_part", TAIL, ("day",))
PLAIN = CreateIndex("public", "orders", "orders_day", 'USING btree ("day" DESC)', ("day",))


def intend(ledger: Ledger, change: Change = CREATE, inverse: Change = DROP, strategy: str = "s-1") -> Entry:
    """Write that a change was proposed, intended and done; return the intent."""
    proposed = {"strategy_id": strategy, "changes": [change_to_dict(change)], "title": "an index"}
    ledger.append(Kind.STRATEGY_PROPOSED, proposed, run_id="r-1")
    intent = ledger.append(
        Kind.APPLY_INTENDED,
        {
            "intent_id": f"i-{strategy}",
            "strategy_id": strategy,
            "database": DATABASE,
            "session": {},
            "change": change_to_dict(change),
            "inverse": change_to_dict(inverse),
            "change_digest": change_digest(change),
            "spec_digest": "5" * 64,
        },
        run_id="r-1",
    )
    ledger.append(Kind.APPLY_DONE, {"intent_id": f"i-{strategy}", "seconds": 0.1, "object_oid": 7}, run_id="r-1")
    return intent


def bytes_of(path: Path) -> bytes:
    """Return all that the store keeps of the ledger itself."""
    conninfo = server_of(path)
    if conninfo is None:
        return b"".join(each.read_bytes() for each in path.parent.glob("ledger.db*") if each.is_file())
    with closing(psycopg.connect(conninfo)) as session:
        tables = ("entries", "tree", "checkpoints")
        return b"".join(
            str(session.execute(f"SELECT t::text FROM trimtab_ledger.{table} t".encode()).fetchall()).encode()
            for table in tables
        )


def openings_of(path: Path) -> list[bytes]:
    conninfo = server_of(path)
    if conninfo is None:
        return [each.read_bytes() for each in path.with_name("ledger.db.withheld").glob("*")]
    with closing(psycopg.connect(conninfo)) as session:
        return [row[0] for row in session.execute("SELECT opening FROM trimtab_withheld.openings").fetchall()]


def spoil(path: Path, content: bytes | None) -> None:
    """Put something else in the place of every opening, or nothing."""
    conninfo = server_of(path)
    if conninfo is None:
        for each in path.with_name("ledger.db.withheld").glob("*"):
            each.unlink() if content is None else each.write_bytes(content)
        return
    with closing(psycopg.connect(conninfo, autocommit=True)) as session:
        if content is None:
            session.execute("DROP SCHEMA trimtab_withheld CASCADE")
        else:
            session.execute("UPDATE trimtab_withheld.openings SET opening = %s", (content,))


def test_no_byte_of_the_ledger_holds_it_and_whoever_reads_entries_has_it(place: Path) -> None:
    with Ledger.open(place) as ledger:
        intent = intend(ledger)
        assert change_from_dict(intent.mapping("change")) == CREATE
        [standing] = applied_changes(ledger.entries())
        assert (standing.change, standing.inverse) == (CREATE, DROP)
        [proposed] = ledger.entries(Kind.STRATEGY_PROPOSED)
        assert proposed.body["changes"] == [change_to_dict(CREATE)]
        assert ledger.verify().verified
        lines = b"".join(export_lines("origin", ledger.head, ledger.rows(), ledger.notes()))
    assert SECRET.encode() not in lines + bytes_of(place)
    assert len([each for each in openings_of(place) if SECRET.encode() in each]) == 2, "one of each entry"
    with Ledger.open(place) as again:
        [standing] = applied_changes(again.entries())
        assert standing.inverse == DROP


def test_what_names_columns_alone_stands_in_the_entry(place: Path) -> None:
    with Ledger.open(place) as ledger:
        intend(ledger, PLAIN, PLAIN.inverse(None))  # type: ignore[arg-type]
        assert MARK not in str([json.loads(row.body or b"") for row in ledger.rows()])
    assert openings_of(place) == []


@pytest.mark.parametrize(
    "tail",
    [
        "USING btree (lower(name))",
        "USING btree (day) WHERE (amount > 10)",
        "USING btree (day) where(amount>10)",
        "USING btree (day) WHERE true",
        "USING btree (((data ->> 'kind'::text)))",
        "USING gist (a gist_trgm_ops (siglen='64'))",
        "USING btree (a) /* a comment */",
        "no definition at all 'x'",
        "",
    ],
)
def test_whatever_is_not_known_to_be_columns_alone_is_withheld(tail: str) -> None:
    body: dict[str, Json] = {"change": {"kind": "create_index", "tail": tail}}
    told, openings = withheld(body)
    assert len(openings) == 1
    assert digests_in(told) == list(openings)
    assert opened(told, openings.get) == body


@pytest.mark.parametrize(
    "tail",
    ["USING btree (day, note)", 'USING btree ("Day" DESC) INCLUDE (b)', "USING brin (a) WITH (pages_per_range='32')"],
)
def test_columns_with_their_options_are_not(tail: str) -> None:
    body: dict[str, Json] = {"changes": [{"kind": "drop_index", "tail": tail}]}
    assert withheld(body) == (body, {})


TEXTS = st.sampled_from(["USING btree (a)", TAIL, "USING btree ((a + 1))", "x"])
BODIES = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.fixed_dictionaries(
            {"kind": st.sampled_from(["create_index", "drop_index", "set_setting"]), "tail": TEXTS, "more": inner}
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=2), BODIES, max_size=3))
def test_what_is_opened_is_what_was_withheld_however_it_is_nested(body: dict[str, Json]) -> None:
    told, openings = withheld(body)
    assert opened(told, openings.get) == body
    assert set(digests_in(told)) == openings.keys()
    assert not any(digest in str(body) for digest in openings)


def test_equal_definitions_of_two_entries_have_digests_that_differ(ledger: Ledger) -> None:
    for strategy in ("s-1", "s-2"):
        intend(ledger, strategy=strategy)
    digests = [digest for row in ledger.rows() for digest in set(digests_in(json.loads(row.body or b"")))]
    assert len(digests) == len(set(digests)) == 4


@pytest.mark.parametrize("content", [None, b"", b"x", b"x" * 32 + b"USING btree (password)"])
def test_an_opening_that_is_gone_or_is_another_is_believed_by_nobody(place: Path, content: bytes | None) -> None:
    with Ledger.open(place) as ledger:
        intend(ledger)
    spoil(place, content)
    with Ledger.open(place) as ledger:
        [standing] = applied_changes(ledger.entries())
        assert isinstance(standing.change, CreateIndex)
        assert standing.change.tail == ERASED
        found = ledger.verify()
        assert (found.verified, found.lost) == (True, 2)
        intend(ledger, strategy="s-2")  # and it goes on
        assert [applied.change for applied in applied_changes(ledger.entries())][1:] == [CREATE]
        assert ledger.verify().lost == 2
        of_one = [entry.seq for entry in ledger.entries() if entry.body.get("strategy_id") == "s-1"]
        ledger.erase(of_one, ABOUT)
        assert ledger.verify().lost == 0, "somebody answers for it now"


def test_what_is_erased_is_gone_and_the_ledger_verifies_as_before(place: Path) -> None:
    with Ledger.open(place) as ledger:
        key, _ = ledger.set_key()
        intend(ledger)
        intend(ledger, DROP, CREATE, strategy="s-2")
        before = ledger.verify([key])
        assert before.lost == 0
        of_one = [entry.seq for entry in ledger.entries() if entry.body.get("strategy_id") == "s-1"]
        assert ledger.erase(of_one, ABOUT) == 2
        assert ledger.erase(of_one, ABOUT) == 0
        [erased] = ledger.entries(Kind.DEFINITIONS_ERASED)
        assert {**erased.body, MARK: None} == {**ABOUT, MARK: None}
        assert erased.seq == before.entries + 1, "and it is told once"
        ledger.checkpoint()
        after = ledger.verify([key])
        assert (after.verified, after.lost, after.signed_entries) == (True, 0, erased.seq)
        first, second = applied_changes(ledger.entries())
        assert (getattr(first.change, "tail", ""), second.change) == (ERASED, DROP)
    assert len(openings_of(place)) == 2


def test_a_statement_of_a_change_verifies_without_what_is_withheld(place: Path) -> None:
    with Ledger.open(place) as ledger:
        key, _ = ledger.set_key()
        intent = intend(ledger)
        signed = ledger.checkpoint()
        row = ledger.row(intent.seq)
        assert signed is not None
        assert row is not None
        document = entry_document(row)
        proof = ledger.inclusion(intent.seq, signed.size)
        envelope = change_statement([(document, proof)], signed, ledger.signing_key())
    assert SECRET not in json.dumps(document)
    assert stated(envelope, [key]).change_digests == (change_digest(CREATE),)
    edited = json.loads(json.dumps(document).replace("orders_day_part", "orders_day_past"))
    with pytest.raises(ProofFlawError):
        stated(change_statement([(edited, proof)], signed, ledger_key(place)), [key])


def ledger_key(place: Path) -> SigningKey:
    with Ledger.open(place) as ledger:
        return ledger.signing_key()


@pytest.mark.server
def test_moving_takes_it_along_and_what_was_erased_does_not_come_back(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    with Ledger.open(path) as ledger:
        intend(ledger)
        intend(ledger, strategy="s-2")

    def changes() -> list[Change]:
        with Ledger.open(path) as ledger:
            return [applied.change for applied in applied_changes(ledger.entries())]

    migrate(path, database)
    assert changes() == [CREATE, CREATE]
    with Ledger.open(path) as ledger:
        assert ledger.erase([e.seq for e in ledger.entries() if e.body.get("strategy_id") == "s-1"], ABOUT) == 2
    migrate(path, None)
    assert [getattr(change, "tail", "") for change in changes()] == [ERASED, TAIL]
    # What is lost here, and not erased, is still there.
    spoil(path, None)
    assert [getattr(change, "tail", "") for change in changes()] == [ERASED, ERASED]
    migrate(path, database)
    assert [getattr(change, "tail", "") for change in changes()] == [ERASED, TAIL]
    migrate(path, None)
    with Ledger.open(path) as ledger:
        ledger.erase(range(1, 100), ABOUT)
    migrate(path, database)
    assert [getattr(change, "tail", "") for change in changes()] == [ERASED, ERASED]
    assert SECRET.encode() not in bytes_of(path)
    assert openings_of(path) == []
    assert list(path.parent.glob("ledger.db.withheld/*")) == []
    with Ledger.open(path) as ledger:
        assert ledger.verify().lost == 0


@pytest.mark.server
def test_another_machine_of_the_fleet_has_it_too(tmp_path: Path, new_database: Callable[[], str]) -> None:
    database, paths = new_database(), [tmp_path / name / "ledger.db" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        name_server(path, database)
    with Ledger.open(paths[0]) as first, Ledger.open(paths[1]) as second:
        intend(first)
        [standing] = applied_changes(second.entries())
        assert standing.change == CREATE


@pytest.mark.server
def test_a_role_that_may_not_read_the_openings_reads_the_ledger(
    tmp_path: Path, new_database: Callable[[], str], server: Server
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        intend(ledger)
    with closing(psycopg.connect(database, autocommit=True)) as session:
        for statement in (
            "DO $$ BEGIN CREATE ROLE other_machine LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            "GRANT USAGE ON SCHEMA trimtab_ledger TO other_machine",
            "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trimtab_ledger TO other_machine",
        ):
            session.execute(statement.encode())
    other = tmp_path / "other" / "ledger.db"
    other.parent.mkdir()
    name_server(other, psycopg.conninfo.make_conninfo(database, user="other_machine"))
    with Ledger.open(other) as ledger:
        [standing] = applied_changes(ledger.entries())
        assert getattr(standing.change, "tail", "") == ERASED
        found = ledger.verify()
        assert (found.verified, found.lost) == (True, 2)
        ledger.append(Kind.RUN_STARTED, {})
        with pytest.raises(LedgerError) as refused:
            intend(ledger, strategy="s-2")
        assert refused.value.code == "ledger.unwritable"


@pytest.mark.parametrize("content", ["directory", "pipe", "unreadable"])
def test_an_opening_that_cannot_be_read_hides_itself_alone(tmp_path: Path, content: str) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        intend(ledger)
    for each in (tmp_path / "ledger.db.withheld").iterdir():
        each.unlink()
        os.mkfifo(each) if content == "pipe" else each.mkdir() if content == "directory" else each.symlink_to(each)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        [standing] = applied_changes(ledger.entries())
        assert getattr(standing.change, "tail", "") == ERASED
        assert ledger.verify().lost == 2


def test_what_is_refused_leaves_no_opening(place: Path) -> None:
    def judge(_newer: Iterator[Entry]) -> None:
        raise LedgerError("too many", code="apply.rate")

    with Ledger.open(place) as ledger:
        change_a_database(ledger)
        with pytest.raises(LedgerError):
            ledger.append(Kind.APPLY_INTENDED, {"change": change_to_dict(CREATE)}, require=Required(judge, after=0))
    assert openings_of(place) == []


def test_where_it_cannot_be_kept_no_entry_is_written(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        change_a_database(ledger)
        head = ledger.head
        (tmp_path / "ledger.db.withheld").write_text("in the way")
        with pytest.raises(LedgerError) as refused:
            intend(ledger)
        assert refused.value.code == "ledger.unwritable"
        assert ledger.head == head


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        intend(ledger)
    directory = tmp_path / "ledger.db.withheld"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in directory.iterdir()} == {0o600}


def test_a_store_of_before_is_taken_over_and_what_stands_in_its_entries_stays(place: Path) -> None:
    with Ledger.open(place) as ledger:
        change_a_database(ledger)
    conninfo = server_of(place)
    if conninfo is None:
        with closing(sqlite3.connect(place)) as raw:
            raw.execute("PRAGMA user_version = 4")
    else:
        with closing(psycopg.connect(conninfo, autocommit=True)) as session:
            session.execute("DROP SCHEMA trimtab_withheld CASCADE")
            session.execute("UPDATE trimtab_ledger.version SET version = 4")
    with Ledger.open(place) as ledger:
        intend(ledger, PLAIN, PLAIN)
    assert version_of(place) == 4, "it is as it was, as long as nothing is withheld"
    with Ledger.open(place) as ledger:
        intend(ledger, strategy="s-2")
        assert ledger.verify().verified
        assert [applied.change for applied in applied_changes(ledger.entries())] == [PLAIN, CREATE]
    assert version_of(place) == SCHEMA_VERSION == 5


def version_of(place: Path) -> int:
    conninfo = server_of(place)
    if conninfo is None:
        with closing(sqlite3.connect(place)) as raw:
            return int(raw.execute("PRAGMA user_version").fetchone()[0])
    with closing(psycopg.connect(conninfo)) as session:
        [version] = session.execute("SELECT version FROM trimtab_ledger.version").fetchall()
        return int(version[0])


def test_what_entries_of_before_hold_themselves_is_counted(
    file_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("trimtab.ledger.ledger.withheld", lambda body: (body, {}))
        intend(file_ledger)
    intend(file_ledger, strategy="s-2")
    assert file_ledger.told_openly(range(1, 100)) == 2
    assert file_ledger.erase(range(1, 100), ABOUT) == 2


def test_what_cannot_be_read_is_erased_or_refused_and_never_said_to_be(tmp_path: Path) -> None:
    path, directory = tmp_path / "ledger.db", tmp_path / "ledger.db.withheld"
    with Ledger.open(path) as ledger:
        intend(ledger)
        directory.rename(tmp_path / "aside")
        directory.write_text("in the way")
        head = ledger.head
        with pytest.raises(LedgerError) as refused:
            ledger.erase(range(1, 100), ABOUT)
        assert refused.value.code == "ledger.unwritable"
        assert ledger.head == head, "nothing says that it was erased"
        directory.unlink()
        (tmp_path / "aside").rename(directory)
        for each in directory.iterdir():
            each.unlink()
            each.symlink_to(each)
        assert ledger.verify().lost == 2
        assert ledger.erase(range(1, 100), ABOUT) == 2
        assert ledger.verify().lost == 0
    assert list(directory.iterdir()) == []


DYING = """
import os, signal, sys
from pathlib import Path
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.store import Store
ledger = Ledger.open(Path(sys.argv[1]))
setattr(*{"unfinished": (Path, "replace"), "unnamed": (Store, "insert"), "named": (Store, "written")}[sys.argv[2]],
        lambda *_: os.kill(os.getpid(), signal.SIGKILL))
change = {"kind": "drop_index", "tail": "USING btree (a) WHERE b = 'x'"}
ledger.append(Kind.APPLY_INTENDED, {"change": change})
"""


def die(path: Path, where: str) -> None:
    """Have a writer killed before its opening has a name, before an entry has it, or before it knows that one has."""
    ended = subprocess.run([sys.executable, "-c", DYING, str(path), where], check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("way", ["erase", "another"])
@pytest.mark.parametrize("where", ["unfinished", "unnamed"])
def test_an_opening_whose_writer_died_before_its_entry_is_removed(tmp_path: Path, where: str, way: str) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        intend(ledger)
    die(path, where)
    assert len(openings_of(path)) == 3
    with Ledger.open(path) as ledger:
        assert len(list(ledger.entries(Kind.APPLY_INTENDED))) == 1
        if way == "erase":
            assert ledger.erase(range(1, 100), ABOUT) == 2
        else:
            intend(ledger, strategy="s-2")
    assert len(openings_of(path)) == (0 if way == "erase" else 4)


def test_an_opening_whose_writer_died_after_its_entry_stays_and_can_be_erased(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        intend(ledger)
    die(path, "named")
    with Ledger.open(path) as ledger:
        assert ledger.verify().lost == 0
        intend(ledger, strategy="s-2")
        last = list(ledger.entries(Kind.APPLY_INTENDED))[1]
        assert last.mapping("change")["tail"] == "USING btree (a) WHERE b = 'x'"
    die(path, "named")
    with Ledger.open(path) as ledger:
        assert ledger.erase(range(1, 100), ABOUT) == 6
        assert (ledger.verify().verified, ledger.verify().lost) == (True, 0)
    assert openings_of(path) == []


def test_an_older_ledger_that_is_put_back_takes_nothing_from_the_newer_one(tmp_path: Path) -> None:
    path, older, newer = (tmp_path / name for name in ("ledger.db", "older", "newer"))
    with Ledger.open(path) as ledger:
        intend(ledger)
    path.rename(older)
    path.write_bytes(older.read_bytes())
    with Ledger.open(path) as ledger:
        intend(ledger, strategy="s-2")
    path.rename(newer)
    older.rename(path)
    (tmp_path / "ledger.db.seen").unlink()
    with Ledger.open(path) as ledger:
        intend(ledger, strategy="s-3")
        assert ledger.verify().lost == 0
    newer.rename(path)
    (tmp_path / "ledger.db.seen").unlink()
    with Ledger.open(path) as ledger:
        assert [applied.change for applied in applied_changes(ledger.entries())] == [CREATE, CREATE]
        assert ledger.verify().lost == 0


def test_a_directory_that_leads_nowhere_is_no_empty_one(tmp_path: Path) -> None:
    path, directory = tmp_path / "ledger.db", tmp_path / "ledger.db.withheld"
    with Ledger.open(path) as ledger:
        intend(ledger)
        directory.rename(tmp_path / "aside")
        directory.symlink_to(tmp_path / "elsewhere")
        head = ledger.head
        with pytest.raises(LedgerError) as refused:
            ledger.erase(range(1, 100), ABOUT)
        assert (refused.value.code, ledger.head) == ("ledger.unwritable", head)
        assert str(directory) in str(refused.value)


def test_nothing_is_erased_where_the_entry_that_tells_it_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        intend(ledger)
        with closing(sqlite3.connect(path)) as raw:
            for statement in FENCE:
                raw.execute(statement)
        with pytest.raises(LedgerError) as refused:
            ledger.erase(range(1, 100), ABOUT)
        assert refused.value.code == "ledger.moved"
        assert ledger.verify().lost == 0
    assert len(openings_of(path)) == 2


def test_what_was_erased_and_brought_back_goes_with_the_next(tmp_path: Path) -> None:
    path, directory, aside = (tmp_path / name for name in ("ledger.db", "ledger.db.withheld", "aside"))
    with Ledger.open(path) as ledger:
        intend(ledger)
        intend(ledger, strategy="s-2")
        shutil.copytree(directory, aside)
        seqs = {s: [e.seq for e in ledger.entries() if e.body.get("strategy_id") == s] for s in ("s-1", "s-2")}
        assert ledger.erase(seqs["s-1"], ABOUT) == 2
        shutil.copytree(aside, directory, dirs_exist_ok=True)
        assert len(openings_of(path)) == 4
        assert ledger.erase(seqs["s-2"], ABOUT) == 2
    assert openings_of(path) == []


@pytest.mark.server
def test_moving_takes_nothing_along_that_no_entry_has_and_leaves_nothing_unread(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    with Ledger.open(path) as ledger:
        intend(ledger)
    directory = tmp_path / "ledger.db.withheld"
    (directory / ("0" * 64)).write_bytes(b"of nobody")
    one = next(each for each in directory.iterdir() if each.name != "0" * 64)
    kept = one.read_bytes()
    one.unlink()
    one.mkdir()  # which nobody can read as a file
    with pytest.raises(LedgerError) as refused:
        migrate(path, database)
    assert refused.value.code == "ledger.openings"
    assert server_of(path) is None
    one.rmdir()
    one.write_bytes(kept)
    migrate(path, database)
    assert len(openings_of(path)) == 2


@pytest.mark.server
def test_a_database_without_its_openings_can_be_moved_back(tmp_path: Path, new_database: Callable[[], str]) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        intend(ledger)
    spoil(path, None)
    moved = migrate(path, None)
    assert (moved.withheld, moved.lost) == (2, 2)
    with Ledger.open(path) as ledger:
        found = ledger.verify()
        assert (found.verified, found.lost) == (True, 2)
        assert ledger.erase(range(1, 100), ABOUT) == 0
        assert ledger.verify().lost == 0


@pytest.mark.server
def test_what_the_server_keeps_from_being_removed_is_not_said_to_be_erased(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        intend(ledger)
    with closing(psycopg.connect(database, autocommit=True)) as session:
        for statement in (
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER no BEFORE DELETE OR INSERT ON trimtab_withheld.openings FOR EACH ROW EXECUTE FUNCTION no()",
        ):
            session.execute(statement.encode())
    with Ledger.open(path) as ledger:
        head = ledger.head
        with pytest.raises(LedgerError) as refused:
            ledger.erase(range(1, 100), ABOUT)
        assert (refused.value.code, ledger.head) == ("ledger.corrupt", head)
        with pytest.raises(LedgerError) as refused:
            intend(ledger, strategy="s-2")
        assert (refused.value.code, ledger.head) == ("ledger.corrupt", head)
        assert ledger.verify().lost == 0


@pytest.mark.server
@pytest.mark.parametrize(
    "trigger", ["BEFORE INSERT ON trimtab_ledger.entries", "AFTER INSERT ON trimtab_ledger.entries"]
)
def test_an_entry_that_the_server_does_not_keep_is_not_said_to_be_there(
    tmp_path: Path, new_database: Callable[[], str], trigger: str
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        change_a_database(ledger)
    with closing(psycopg.connect(database, autocommit=True)) as session:
        session.execute("DROP TRIGGER keep ON trimtab_ledger.entries")
        session.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN DELETE FROM trimtab_ledger.entries WHERE seq = NEW.seq; RETURN NULL; END'"
        )
        session.execute(f"CREATE TRIGGER zz {trigger} FOR EACH ROW EXECUTE FUNCTION no()".encode())
    with Ledger.open(path) as ledger, pytest.raises(LedgerError) as refused:
        ledger.append(Kind.RUN_STARTED, {})
    assert refused.value.code == "ledger.corrupt"


@pytest.mark.server
def test_what_a_policy_hides_is_neither_erased_nor_left_behind_unsaid(
    tmp_path: Path, new_database: Callable[[], str], server: Server
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        intend(ledger)
    with closing(psycopg.connect(database, autocommit=True)) as session:
        for statement in (
            "DO $$ BEGIN CREATE ROLE kept_off LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            "GRANT USAGE ON SCHEMA trimtab_ledger, trimtab_withheld TO kept_off",
            "GRANT SELECT, INSERT, TRIGGER ON ALL TABLES IN SCHEMA trimtab_ledger TO kept_off",
            "GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA trimtab_withheld TO kept_off",
            "ALTER TABLE trimtab_withheld.openings ENABLE ROW LEVEL SECURITY",
        ):
            session.execute(statement.encode())
    other = tmp_path / "other" / "ledger.db"
    other.parent.mkdir()
    name_server(other, psycopg.conninfo.make_conninfo(database, user="kept_off"))
    with Ledger.open(other) as ledger:
        head = ledger.head
        assert ledger.verify().lost == 2
        with pytest.raises(LedgerError) as refused:
            ledger.erase(range(1, 100), ABOUT)
        assert (refused.value.code, ledger.head) == ("ledger.unwritable", head)
    with pytest.raises(LedgerError) as refused:
        migrate(other, None)
    assert refused.value.code == "ledger.openings"
    assert len(openings_of(path)) == 2


@pytest.mark.server
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE trimtab_ledger.entries ALTER seq TYPE text USING seq::text",
        "ALTER TABLE trimtab_ledger.entries ALTER seq TYPE numeric",
        "ALTER TABLE trimtab_ledger.entries ALTER body TYPE jsonb USING body::jsonb",
        "ALTER TABLE trimtab_ledger.entries DROP run_id",
        "ALTER TABLE trimtab_ledger.checkpoints ALTER size TYPE text",
        "ALTER TABLE trimtab_ledger.tree ALTER level TYPE bigint",
        "ALTER TABLE trimtab_withheld.openings ALTER opening TYPE text USING opening::text",
        "ALTER TABLE trimtab_withheld.openings DROP opening",
        "ALTER TABLE trimtab_ledger.version ALTER version TYPE text",
        "DROP TABLE trimtab_ledger.version",
        "DROP TABLE trimtab_ledger.tree",
    ],
)
def test_tables_that_are_others_than_were_made_are_told(
    tmp_path: Path, new_database: Callable[[], str], statement: str
) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        intend(ledger)
    with closing(psycopg.connect(database, autocommit=True)) as session:
        if "entries" in statement:
            session.execute("DROP TRIGGER follow ON trimtab_ledger.entries")
            session.execute("DROP INDEX trimtab_ledger.entries_keys")
        session.execute(statement.encode())
    with pytest.raises(LedgerError) as refused:
        Ledger.open(path)
    assert refused.value.code == "ledger.corrupt"
    with pytest.raises(LedgerError) as refused:
        migrate(path, None)
    assert refused.value.code == "ledger.corrupt"


def test_a_first_one_that_finds_no_room_leaves_no_ledger_that_an_earlier_version_would_misread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        intend(ledger, PLAIN, PLAIN)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 4")
    with Ledger.open(path) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "insert", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(LedgerError):
                intend(ledger, strategy="s-2")
        assert version_of(path) == 4
        intend(ledger, strategy="s-2")
        assert version_of(path) == 5
        assert len(openings_of(path)) == 2, "what the one that failed had kept is gone"


@pytest.mark.server
def test_an_opening_that_is_null_is_a_lost_one(tmp_path: Path, new_database: Callable[[], str]) -> None:
    path, database = tmp_path / "ledger.db", new_database()
    name_server(path, database)
    with Ledger.open(path) as ledger:
        intend(ledger)
    with closing(psycopg.connect(database, autocommit=True)) as session:
        session.execute("ALTER TABLE trimtab_withheld.openings ALTER opening DROP NOT NULL")
        session.execute("UPDATE trimtab_withheld.openings SET opening = NULL")
    with Ledger.open(path) as ledger:
        assert ledger.verify().lost == 2
    moved = migrate(path, None)
    assert (moved.withheld, moved.lost) == (2, 2)
