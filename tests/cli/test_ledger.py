"""Claims about `trimtab ledger`: what is verified here is verified on another machine, with the public key alone."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.written import change_a_database
from tests.places import read_only
from trimtab.errors import LedgerError
from trimtab.ledger.entry import Kind
from trimtab.ledger.faults import corrupt, ledger_faults
from trimtab.ledger.ledger import Ledger
from trimtab.sqlite_file import lies_still

from .market import Market
from .program import Ended, Program


@pytest.fixture
def kept(program: Program) -> Program:
    """A machine with a ledger and a key; `ledger.pub` and what else is written are in its working directory."""
    with Ledger.open(program.ledger_path) as ledger:
        change_a_database(ledger)
    program.succeed("ledger", "key", "--out", "ledger.pub")
    return program


def elsewhere(program: Program, *arguments: str, state: str = "auditor") -> Ended:
    """Run it on a machine that has nothing but the files named."""
    directory = program.directory.parent / state
    directory.mkdir(exist_ok=True)
    return program.run(*arguments, environ={"TRIMTAB_STATE": str(directory)})


def test_a_ledger_without_a_key_says_that_nothing_is_signed(program: Program) -> None:
    with Ledger.open(program.ledger_path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    ended = program.succeed("ledger", "verify")
    assert "verified: " in ended.stdout
    assert "signed: nothing" in ended.stdout
    assert "next: trimtab ledger key" in ended.stdout
    for command in (("checkpoint",), ("prove", "1"), ("export", "--change", "s-1")):
        assert program.run("ledger", *command).code in (2, 7)
    assert program.run("ledger", "checkpoint").reason == "ledger.unsigned"


def test_a_ledger_that_is_ahead_of_the_clock_is_told_by_every_command_that_looks_at_it(kept: Program) -> None:
    def told(*arguments: str) -> tuple[str, Any]:
        plain, document = kept.succeed(*arguments).stdout, kept.succeed(*arguments, "--json").document
        return plain, document.get("ledger", document)

    with Ledger.open(kept.ledger_path) as ledger:
        first = ledger.verify().entries + 1
    here: list[tuple[str, ...]] = [("status",), ("ledger", "verify")]
    for command in here:
        plain, found = told(*command)
        assert "bear times" not in plain
        assert (found["first_ahead"], found["ahead_seconds"]) == (None, 0.0)
    with Ledger.open(kept.ledger_path, clock=lambda: time.time_ns() + 49 * 3600 * 10**9) as ledger:
        ledger.append(Kind.RECONCILED, {})
    kept.succeed("ledger", "export", "--out", "ahead.jsonl")
    for command in (*here, ("ledger", "verify", "ahead.jsonl", "--key", "ledger.pub")):
        plain, found = told(*command)
        assert f"entries from {first} on bear times ahead of this machine's clock, the last by 2 days" in plain
        assert found["first_ahead"] == first
        assert found["ahead_seconds"] > 48 * 3600


def test_where_nothing_was_seen_before_that_is_told_until_something_was(kept: Program) -> None:
    told, verify = "seen: nothing of it was seen here before", ("ledger", "verify")
    assert told not in kept.succeed(*verify).stdout
    kept.succeed("ledger", "checkpoint", "--out", "kept.note")
    assert kept.succeed(*verify, "--json").document["witnesses"] == 2

    def forget() -> None:
        for name in ("ledger.db.seen", "ledger.db.checkpoint"):
            kept.ledger_path.with_name(name).unlink()

    forget()
    assert told in kept.succeed(*verify).stdout
    kept.ledger_path.with_name("ledger.db.seen").unlink()
    assert kept.succeed(*verify, "--json").document["witnesses"] == 0
    assert kept.succeed(*verify, "--json").document["witnesses"] == 1
    kept.ledger_path.with_name("ledger.db.seen").unlink()
    assert told not in kept.succeed(*verify, "--checkpoint", "kept.note").stdout
    kept.succeed("ledger", "export", "--out", "all.jsonl")
    export = ("ledger", "verify", "all.jsonl", "--key", "ledger.pub")
    assert told in elsewhere(kept, *export).stdout
    assert told not in elsewhere(kept, *export).stdout


def test_an_export_verifies_on_another_machine_and_what_was_seen_there_is_remembered(kept: Program) -> None:
    kept.succeed("ledger", "export", "--out", "one.jsonl")
    ended = elsewhere(kept, "ledger", "verify", "one.jsonl", "--key", "ledger.pub", "--json")
    assert (ended.code, ended.document["verified"]) == (0, True)
    assert (ended.document["entries"], ended.document["signed_entries"]) == (7, 7)
    with Ledger.open(kept.ledger_path) as ledger:
        change_a_database(ledger, 2)
    kept.succeed("ledger", "export", "--out", "two.jsonl")
    assert elsewhere(kept, "ledger", "verify", "two.jsonl", "--key", "ledger.pub").code == 0
    rolled_back = elsewhere(kept, "ledger", "verify", "one.jsonl", "--key", "ledger.pub")
    assert (rolled_back.code, rolled_back.reason) == (7, "ledger.corrupt")
    assert "entry 8: 6 entries are missing at the end" in rolled_back.stderr
    assert elsewhere(kept, "ledger", "verify", "one.jsonl", "--key", "ledger.pub", state="newcomer").code == 0


def test_a_checkpoint_that_was_kept_finds_a_tail_that_was_cut_off_everywhere_else(kept: Program) -> None:
    kept.succeed("ledger", "export", "--out", "short.jsonl")
    with Ledger.open(kept.ledger_path) as ledger:
        change_a_database(ledger, 2)
    kept.succeed("ledger", "checkpoint", "--out", "kept.note")
    ended = elsewhere(kept, "ledger", "verify", "short.jsonl", "--key", "ledger.pub", "--checkpoint", "kept.note")
    assert (ended.code, ended.reason) == (7, "ledger.corrupt")


def test_without_a_key_an_export_is_whole_and_nothing_is_vouched_for(kept: Program) -> None:
    kept.succeed("ledger", "export", "--out", "one.jsonl")
    ended = elsewhere(kept, "ledger", "verify", "one.jsonl")
    assert ended.code == 0
    assert "by keys that nobody vouched for" in ended.stdout


def test_an_edit_is_named_by_its_number(kept: Program) -> None:
    lines = kept.succeed("ledger", "export").stdout.splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if '"seq":3' in line)
    lines[at] = lines[at].replace('"seconds":0.5', '"seconds":0.1')
    (kept.directory / "edited.jsonl").write_text("".join(lines), "utf-8")
    ended = elsewhere(kept, "ledger", "verify", "edited.jsonl", "--key", "ledger.pub", "--json")
    assert (ended.code, ended.document["verified"], ended.document["first_bad"]) == (7, False, 4)
    assert "Traceback" not in ended.stderr


def test_a_proof_of_an_entry_verifies_alone_and_a_changed_one_does_not(kept: Program) -> None:
    kept.succeed("ledger", "prove", "3", "--out", "3.json")
    ended = elsewhere(kept, "ledger", "verify", "3.json", "--key", "ledger.pub")
    assert ended.code == 0
    assert "entry 3 is in trimtab.dev/ledger/" in ended.stdout
    assert elsewhere(kept, "ledger", "verify", "3.json").reason == "ledger.file"
    document = json.loads((kept.directory / "3.json").read_text("utf-8"))
    document["inclusion"]["entry"]["body"]["seconds"] = 0.1
    (kept.directory / "forged.json").write_text(json.dumps(document), "utf-8")
    forged = elsewhere(kept, "ledger", "verify", "forged.json", "--key", "ledger.pub")
    assert (forged.code, forged.reason) == (7, "ledger.corrupt")


def test_that_it_only_grew_is_proven_between_two_checkpoints(kept: Program) -> None:
    kept.succeed("ledger", "checkpoint", "--out", "early.note")
    with Ledger.open(kept.ledger_path) as ledger:
        change_a_database(ledger, 2)
    kept.succeed("ledger", "prove", "--since", "early.note", "--out", "grew.json")
    ended = elsewhere(kept, "ledger", "verify", "grew.json", "--key", "ledger.pub")
    assert "only grew since it had 7 entries" in ended.stdout


def test_what_is_another_ledger_has_not_grown_since(kept: Program) -> None:
    kept.succeed("ledger", "checkpoint", "--out", "early.note")
    for path in kept.ledger_path.parent.glob("ledger*"):
        if path.suffix != ".key":
            path.unlink()
    with Ledger.open(kept.ledger_path) as ledger:
        change_a_database(ledger, 4)
        ledger.set_key()
    ended = kept.run("ledger", "prove", "--since", "early.note", "--out", "grew.json")
    assert (ended.code, ended.reason) == (7, "ledger.corrupt")
    assert not (kept.directory / "grew.json").exists()


def test_a_checkpoint_of_less_than_there_is_says_so(kept: Program) -> None:
    kept.succeed("ledger", "checkpoint", "--out", "now.note")
    kept.ledger_path.with_suffix(".key").unlink()
    with Ledger.open(kept.ledger_path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    ended = kept.succeed("ledger", "checkpoint", "--out", "later.note")
    assert (kept.directory / "later.note").read_bytes() == (kept.directory / "now.note").read_bytes()
    assert "without the last 1: the key" in ended.stderr


def test_a_change_is_exported_as_an_in_toto_statement_with_two_signatures(kept: Program) -> None:
    kept.succeed("ledger", "export", "--change", "s-1", "--out", "change.json")
    envelope = json.loads((kept.directory / "change.json").read_text("utf-8"))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert [each["keyid"].partition(":")[2] for each in envelope["signatures"]] == ["ed25519", "ml-dsa-65"]
    ended = elsewhere(kept, "ledger", "verify", "change.json", "--key", "ledger.pub", "--json")
    assert (ended.code, ended.document["shown"]["seqs"]) == (0, [2, 3, 4, 5])
    envelope["signatures"].pop()
    (kept.directory / "half.json").write_text(json.dumps(envelope), "utf-8")
    assert elsewhere(kept, "ledger", "verify", "half.json", "--key", "ledger.pub").reason == "ledger.corrupt"


def test_a_cut_off_tail_is_told_by_status_too_and_nothing_is_added(kept: Program) -> None:
    with closing(sqlite3.connect(kept.ledger_path, isolation_level=None)) as raw:
        for table, column in (("entries", "seq"), ("tree", "seq"), ("checkpoints", "size")):
            raw.execute(f"DROP TRIGGER {table}_stay")
            raw.execute(f"DELETE FROM {table} WHERE {column} > 5")
    for command in (("ledger", "verify"), ("status",)):
        ended = kept.run(*command)
        assert (ended.code, ended.reason) == (7, "ledger.corrupt")
    assert "entry 6" in ended.stderr
    assert kept.run("ledger", "checkpoint").reason == "ledger.truncated"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("prove",), "usage.prove"),
        (("prove", "99"), "ledger.unknown"),
        (("prove", "--since", "nowhere"), "usage.checkpoint"),
        (("prove", "--since", "ledger.pub"), "usage.checkpoint"),
        (("prove", "--since", "longer"), "ledger.truncated"),
        (("export", "--change", "s-unknown"), "ledger.unknown"),
        (("migrate", "--to", ""), "usage.arguments"),
        (("export", "--out", "nowhere/file"), "usage.out"),
        (("export", "--out", "ledger.pub"), "usage.out"),
        (("verify", "nowhere"), "ledger.file"),
        (("verify", "--key", "nowhere"), "key.unusable"),
        (("verify", "--checkpoint", "nowhere"), "usage.checkpoint"),
        (("verify", "ledger.pub", "--key", "ledger.pub"), "ledger.corrupt"),
    ],
)
def test_bad_input_has_a_code_and_no_traceback(kept: Program, arguments: tuple[str, ...], reason: str) -> None:
    kept.succeed("ledger", "checkpoint", "--out", "here")
    note = (kept.directory / "here").read_text("utf-8").split("\n")
    (kept.directory / "longer").write_text("\n".join([note[0], "99", *note[2:]]), "utf-8")
    ended = kept.run("ledger", *arguments)
    assert ended.reason == reason
    assert "Traceback" not in ended.stderr
    assert kept.succeed("ledger", "verify", "--json").document["verified"] is True


@pytest.mark.parametrize("given", ["pipe", "/dev/zero", "huge"])
def test_what_is_named_as_a_file_and_is_none_is_refused_and_not_waited_for(kept: Program, given: str) -> None:
    os.mkfifo(kept.directory / "pipe", 0o600)
    with (kept.directory / "huge").open("wb") as file:
        file.truncate(1 << 36)
    for arguments, reason in (
        (("ledger", "verify", given), "ledger.corrupt" if given == "huge" else "ledger.file"),
        (("ledger", "verify", "--key", given), "key.damaged" if given == "huge" else "key.unusable"),
        (("ledger", "verify", "--checkpoint", given), "usage.checkpoint"),
        (("ledger", "prove", "--since", given), "usage.checkpoint"),
        (("approve", "--from", given, "--out", "signed.json"), "approval.unreadable"),
        (("approve", "--add", given), "approval.unreadable"),
        (("anchor", "verify", given), "anchor.flawed" if given == "huge" else "anchor.unreadable"),
        (("security", "diff", given, given), "security.flawed"),
        (("spec", "trust", "ann", given), "key.damaged" if given == "huge" else "key.unusable"),
    ):
        ended = kept.run(*arguments)
        assert (ended.reason, "Traceback" in ended.stderr) == (reason, False), (arguments, ended.stderr)


@pytest.mark.parametrize("is_in_use", [False, True])
def test_on_a_disk_that_can_only_be_read_all_that_reads_works_and_nothing_is_written(
    kept: Program, is_in_use: bool
) -> None:
    """In use: another process, on whose side the disk can be written, has entries in SQLite's log."""

    def told(*arguments: str) -> dict[str, Any]:
        return kept.succeed(*arguments, "--json").document

    reading = (("status",), ("history",), ("approvals",), ("ledger", "verify"))
    with ExitStack() as stack:
        if is_in_use:
            writer = stack.enter_context(Ledger.open(kept.ledger_path))
            writer.append(Kind.RUN_STARTED, {}, run_id="r-1")
        before = {arguments: told(*arguments) for arguments in reading}
        stack.enter_context(read_only(kept.ledger_path.parent))
        left = sorted(kept.ledger_path.parent.iterdir())
        assert {arguments: told(*arguments) for arguments in reading} == before
        assert told("show", "r-1")["entries"]
        assert before["status",]["ledger"]["entries"] == 7 + is_in_use
        kept.succeed("ledger", "export", "--out", "all.jsonl")
        assert elsewhere(kept, "ledger", "verify", "all.jsonl", "--key", "ledger.pub").code == 0
        for arguments in (("freeze",), ("ledger", "key", "--rotate"), ("ledger", "checkpoint")):
            refused = kept.run(*arguments)
            assert (refused.code, refused.reason) == (2, "state.unusable")
        with pytest.raises(LedgerError) as unwritable, Ledger.open(kept.ledger_path) as ledger:
            ledger.append(Kind.RUN_STARTED, {})
        assert unwritable.value.code == "ledger.unwritable"
        assert sorted(kept.ledger_path.parent.iterdir()) == left
        if is_in_use:
            writer.append(Kind.RUN_FINISHED, {}, run_id="r-1")
            assert told("status")["ledger"]["entries"] == 9
    assert told("ledger", "verify")["verified"]


def test_what_is_written_elsewhere_to_a_disk_that_can_only_be_read_is_no_damage(kept: Program) -> None:
    path, later = kept.ledger_path, time.time_ns()

    def read_and(write: int, damage: Exception | None) -> None:
        with ledger_faults(path):
            if write:
                os.utime(held, ns=(later, later + write))
            if damage is not None:
                raise damage

    with ExitStack() as stack:
        with read_only(path.parent):
            reader = stack.enter_context(Ledger.open(path))
            assert reader.verify().entries == 7
        with Ledger.open(path) as writer:
            for _ in range(600):
                writer.append(Kind.RECONCILED, {})
        held = os.open(path, os.O_RDWR)
        stack.callback(os.close, held)
        with read_only(path.parent):
            found = reader.verify()
            assert (found.verified, found.entries, len(list(reader.entries()))) == (True, 607, 607)
            flaw = corrupt(path, "a page is not what it was")
            for write, damage in enumerate((None, flaw, UnicodeDecodeError("utf-8", b"", 0, 1, "bad")), 1):
                with pytest.raises(LedgerError) as changed:
                    read_and(write, damage)
                assert changed.value.code == "ledger.busy"
            with pytest.raises(LedgerError) as damaged:
                read_and(0, flaw)
            assert damaged.value.code == "ledger.corrupt"
        idle = stack.enter_context(closing(sqlite3.connect(path)))
        idle.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with read_only(path.parent):
            assert path.with_name(f"{path.name}-wal").stat().st_size == 0
            assert not lies_still(path)  # SQLite itself sees what the other one writes from now on
            assert reader.verify().verified


def test_a_log_that_is_taken_away_where_none_can_be_made_is_not_needed_any_more(kept: Program) -> None:
    with ExitStack() as stack:
        log = os.open(kept.ledger_path.with_name(f"{kept.ledger_path.name}-wal"), os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, log)
        os.write(log, b"of a writer that is about to end")
        stack.enter_context(read_only(kept.ledger_path.parent))
        ending = threading.Timer(0.1, os.ftruncate, (log, 0))
        ending.start()
        stack.callback(ending.join)
        assert stack.enter_context(Ledger.open(kept.ledger_path)).verify().entries == 7


@pytest.mark.server
def test_a_ledger_that_moves_to_a_server_and_back_is_the_same(kept: Program, market: Market) -> None:
    def told() -> dict[str, Any]:
        found = kept.succeed("ledger", "verify", "--key", "ledger.pub", "--json").document
        return {name: value for name, value in found.items() if name != "what"}

    before, dsn = told(), market.dsn
    (kept.directory / "trimtab.toml").write_text(f'[ledger]\nstore = "{dsn}"\n', "utf-8")
    assert kept.run("status").reason == "ledger.elsewhere"
    moved = kept.succeed("ledger", "migrate", "--to", dsn, "--json").document
    assert (moved["entries"], moved["root"]) == (7, before["root"])
    assert told() == before
    assert kept.succeed("status", "--json").document["ledger"]["signed_entries"] == 7
    assert kept.run("ledger", "migrate", "--to", dsn).reason == "ledger.same"
    (kept.directory / "trimtab.toml").unlink()
    kept.succeed("ledger", "migrate", "--to", "sqlite")
    assert told() == before
    kept.succeed("ledger", "migrate", "--to", dsn)
    assert told() == before


def test_every_command_tells_json(kept: Program) -> None:
    def document(*arguments: str) -> dict[str, Any]:
        return kept.succeed("ledger", *arguments, "--json").document

    assert document("key", "--rotate", "--out", "next.pub")["is_new"] is True
    assert document("checkpoint")["size"] == 8
    assert document("prove", "2", "--out", "2.json")["size"] == 8
    assert document("export", "--out", "all.jsonl")["entries"] == 8
    assert document("verify", "all.jsonl", "--key", str(Path("ledger.pub")))["signed_entries"] == 8
