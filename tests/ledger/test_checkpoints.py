"""Claims about what is signed, when, by which key; and about what this machine saw of the ledger before."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trimtab.errors import KeyFileError, LedgerError
from trimtab.ledger.checkpoint import EVERY_ENTRIES, checkpoint_signer, read_checkpoint
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.seen import Seen, SeenFiles
from trimtab.signing.keys import SigningKey
from trimtab.signing.note import NoteFlawError

from .conftest import TABLES, past_the_triggers
from .written import change_a_database, written


def sizes(ledger: Ledger) -> list[int]:
    return [size for size, _ in ledger.notes()]


def cut_off(path: Path, after: int) -> None:
    """Cut the end off everything that is in the store, behind its triggers."""
    columns = {"entries": "seq", "tree": "seq", "checkpoints": "size"}
    past_the_triggers(path, *(f"DELETE FROM {table} WHERE {columns[table]} > {after}" for table in TABLES))


def test_without_a_key_nothing_is_signed_and_the_ledger_works(ledger: Ledger) -> None:
    change_a_database(ledger)
    assert ledger.checkpoint() is None
    assert (sizes(ledger), ledger.verify().signed_entries, ledger.signers()) == ([], 0, ())
    assert ledger.verify().verified
    with pytest.raises(LedgerError) as refused:
        ledger.signing_key()
    assert refused.value.code == "ledger.key"


def test_results_every_64th_entry_and_the_end_are_signed(ledger: Ledger) -> None:
    _, is_new = ledger.set_key()
    assert is_new
    assert ledger.set_key()[1] is False
    change_a_database(ledger)
    assert sizes(ledger) == [1, 4, 6]
    for _ in range(EVERY_ENTRIES):
        ledger.append(Kind.RECONCILED, {})
    assert sizes(ledger) == [1, 4, 6, 64]
    path = ledger.path
    ledger.close()
    with Ledger.open(path) as again:
        assert sizes(again) == [1, 4, 6, 64, 71]
        found = again.verify()
        assert (found.verified, found.signed_entries, found.entries) == (True, 71, 71)


def test_a_first_entry_that_was_not_written_gives_no_checkpoint_its_origin(file_ledger: Ledger) -> None:
    with closing(sqlite3.connect(file_ledger.path, isolation_level=None)) as raw:
        raw.execute("ALTER TABLE checkpoints RENAME TO away")
        with pytest.raises(LedgerError):
            file_ledger.set_key()
        raw.execute("ALTER TABLE away RENAME TO checkpoints")
    key, is_new = file_ledger.set_key()
    change_a_database(file_ledger)
    found = file_ledger.verify([key])
    assert (is_new, found.verified, found.signed_entries) == (True, True, 6)


def spoil(key: Path, flaw: str) -> None:
    if flaw == "key.readable":
        key.chmod(0o644)
    else:
        key.write_text("{}")


@pytest.mark.parametrize("flaw", ["key.readable", "key.damaged"])
@pytest.mark.parametrize("kind", [Kind.APPLY_INTENDED, Kind.REVERT_INTENDED])
def test_with_a_key_that_cannot_be_used_no_change_is_intended(ledger: Ledger, kind: Kind, flaw: str) -> None:
    ledger.set_key()
    spoil(ledger.path.with_suffix(".key"), flaw)
    with pytest.raises(KeyFileError) as refused:
        ledger.append(kind, {})
    assert refused.value.code == flaw
    assert len(list(ledger.entries())) == 1


@pytest.mark.parametrize("flaw", ["key.readable", "key.damaged"])
@pytest.mark.parametrize("kind", [Kind.APPLY_DONE, Kind.APPLY_FAILED, Kind.REVERT_DONE, Kind.REVERT_FAILED])
def test_a_result_is_recorded_unsigned_when_the_key_fails_after_the_intent(
    ledger: Ledger, kind: Kind, flaw: str
) -> None:
    ledger.set_key()
    key, intent = ledger.path.with_suffix(".key"), ledger.append(Kind.APPLY_INTENDED, {})
    good = key.read_bytes()
    spoil(key, flaw)
    result = ledger.append(kind, {"seconds": 1})
    assert (result.seq, result.body) == (intent.seq + 1, {"seconds": 1, "unsigned": flaw})
    assert sizes(ledger) == [1]
    key.write_bytes(good)
    key.chmod(0o600)
    assert "unsigned" not in ledger.append(kind, {}).body
    assert sizes(ledger) == [1, 4]
    assert ledger.verify().verified


def test_the_64th_result_is_recorded_too_when_the_key_fails(ledger: Ledger) -> None:
    ledger.set_key()
    for _ in range(EVERY_ENTRIES - 2):
        ledger.append(Kind.RECONCILED, {})
    spoil(ledger.path.with_suffix(".key"), "key.readable")
    assert ledger.append(Kind.APPLY_DONE, {}).seq == EVERY_ENTRIES


@pytest.mark.parametrize("flaw", ["key.readable", "key.damaged"])
def test_the_64th_entry_is_written_whatever_became_of_the_key_and_a_later_checkpoint_covers_it(
    ledger: Ledger, flaw: str
) -> None:
    ledger.set_key()
    key = ledger.path.with_suffix(".key")
    good = key.read_bytes()
    for _ in range(EVERY_ENTRIES - 2):
        ledger.append(Kind.RECONCILED, {})
    spoil(key, flaw)
    assert ledger.append(Kind.RECONCILED, {}).seq == EVERY_ENTRIES
    assert sizes(ledger) == [1]
    key.write_bytes(good)
    key.chmod(0o600)
    ledger.checkpoint()
    assert sizes(ledger) == [1, EVERY_ENTRIES]
    assert ledger.verify().verified


def test_a_checkpoint_is_the_ledgers_root_by_the_ledgers_key(ledger: Ledger) -> None:
    key, _ = ledger.set_key()
    change_a_database(ledger)
    signed = ledger.checkpoint()
    assert signed is not None
    found = ledger.verify([key])
    assert (signed.size, signed.root.hex(), signed.origin) == (7, found.root, found.origin)
    assert checkpoint_signer(signed, [key]) == key
    assert SeenFiles(ledger.path).checkpoint() == signed
    with pytest.raises(NoteFlawError):
        checkpoint_signer(signed, [SigningKey(b"x" * 32, b"y" * 32).public])


def test_with_a_key_given_an_unsigned_ledger_and_one_of_another_signer_do_not_verify(ledger: Ledger) -> None:
    stranger = SigningKey(b"x" * 32, b"y" * 32).public
    ledger.append(Kind.RUN_STARTED, {})
    assert not ledger.verify([stranger]).verified
    ledger.set_key()
    ledger.path.with_suffix(".key").unlink()
    found = ledger.verify([stranger])
    assert not found.verified
    assert "not known" in found.reason


def test_the_last_entry_cannot_be_cut_off_unnoticed(place: Path) -> None:
    with Ledger.open(place) as ledger:
        for _ in range(5):
            ledger.append(Kind.RUN_STARTED, {})
    cut_off(place, 4)
    with Ledger.open(place) as ledger:
        found = ledger.verify()
        assert (found.verified, found.first_bad) == (False, 5)
        with pytest.raises(LedgerError) as refused:
            ledger.append(Kind.RUN_STARTED, {})
        assert refused.value.code == "ledger.truncated"
        assert ledger.last() is not None
        assert len(list(ledger.entries())) == 4
    SeenFiles(place).head_file.unlink()
    with Ledger.open(place) as ledger:
        assert ledger.append(Kind.RUN_STARTED, {}).seq == 5


def test_an_edited_key_is_named_like_any_other_entry(ledger: Ledger) -> None:
    ledger.set_key()
    change_a_database(ledger)
    past_the_triggers(ledger.path, "UPDATE entries SET body = '{}' WHERE seq = 1")
    assert (ledger.verify().verified, ledger.verify().first_bad) == (False, 1)


def test_a_ledger_that_was_removed_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    with Ledger.open(path) as ledger, pytest.raises(LedgerError) as refused:
        ledger.append(Kind.RUN_STARTED, {})
    assert refused.value.code == "ledger.truncated"


@pytest.mark.parametrize("witness", ["head", "checkpoint"])
def test_another_history_is_refused_by_the_head_and_by_the_checkpoint_alone(tmp_path: Path, witness: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    true = written(one / "ledger.db", changes=2)
    written(other / "ledger.db", changes=3)
    files = SeenFiles(true.path)
    (files.checkpoint_file if witness == "head" else files.head_file).unlink()
    shutil.copy(other / "ledger.db", true.path)
    with Ledger.open(true.path) as ledger:
        assert not ledger.verify().verified
        with pytest.raises(LedgerError) as refused:
            ledger.append(Kind.RUN_STARTED, {})
        assert refused.value.code == "ledger.forked"


def test_a_ledger_that_was_replaced_by_a_strangers_is_not_signed_by_our_key(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for place in (ours, theirs):
        place.mkdir()
    true = written(ours / "ledger.db", changes=2)
    written(theirs / "ledger.db", changes=2)
    for name in ("ledger.db", "ledger.db.seen", "ledger.db.checkpoint"):
        shutil.copy(theirs / name, ours / name)
    with Ledger.open(true.path) as ledger:
        found = ledger.verify()
    assert (found.verified, "signer is not known" in found.reason) == (False, True)


@pytest.mark.parametrize("content", ["", "\n", "{}", "\xff", '{"format": "trimtab.ledger.seen/v1", "entries": 1}'])
def test_what_was_seen_and_cannot_be_read_is_no_reason_to_go_on(ledger: Ledger, content: str) -> None:
    SeenFiles(ledger.path).head_file.write_bytes(content.encode("latin-1"))
    for act in (lambda: ledger.append(Kind.RUN_STARTED, {}), ledger.verify):
        with pytest.raises(LedgerError) as refused:
            act()
        assert refused.value.code == "ledger.seen"


def test_a_pipe_in_the_place_of_what_was_seen_is_refused_and_waited_for_by_nobody(ledger: Ledger) -> None:
    ledger.append(Kind.RECONCILED, {})
    path = ledger.path
    ledger.close()
    SeenFiles(path).head_file.unlink()
    os.mkfifo(SeenFiles(path).head_file)
    with Ledger.open(path) as again, pytest.raises(LedgerError) as refused:
        again.append(Kind.RECONCILED, {})
    assert refused.value.code == "ledger.seen"


def test_a_head_whose_first_writing_died_is_not_there_at_all(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the whole of it has its name there is no file; then one that can be read, and never an empty one."""

    class DiedError(BaseException):
        pass

    def die(*_: object) -> None:
        raise DiedError

    files = SeenFiles(place)
    with Ledger.open(place) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr("trimtab.durable.os.link", die)
            with pytest.raises(DiedError):
                ledger.append(Kind.RUN_STARTED, {})
        assert not files.head_file.exists()
        last = ledger.append(Kind.RUN_STARTED, {})
        assert files.head() == Seen(last.seq, last.hash)


def test_of_two_that_see_it_for_the_first_time_the_one_that_saw_more_is_believed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, more = SeenFiles(place), Seen(9, "9" * 64)
    files.note(Seen(3, "3" * 64))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda _: False)  # as it was when this one looked
        files.note(more)
        files.note(Seen(5, "5" * 64))
    assert files.head() == more


def test_a_key_is_rotated_by_an_entry_that_both_sign_and_either_verifies_all(place: Path) -> None:
    first = written(place, changes=2).key
    with Ledger.open(place) as ledger:
        second, is_new = ledger.set_key(rotates=True)
        assert is_new
        change_a_database(ledger, 9)
        for keys in ([first], [second]):
            found = ledger.verify(keys)
            assert (found.verified, found.signer, found.reason) == (True, second.id, "")
        assert ledger.signing_key().public == second
    assert not place.with_suffix(".key.next").exists()


def test_a_new_key_that_the_ledger_has_already_is_found_after_a_death(place: Path) -> None:
    written(place, changes=2)
    old = place.with_suffix(".key").read_bytes()
    with Ledger.open(place) as ledger:
        second, _ = ledger.set_key(rotates=True)
    place.with_suffix(".key").rename(place.with_suffix(".key.next"))
    place.with_suffix(".key").touch(mode=0o600)
    place.with_suffix(".key").write_bytes(old)
    with Ledger.open(place) as ledger:
        assert ledger.signing_key().public == second
        change_a_database(ledger, 9)
        assert ledger.verify([second]).verified


def test_a_retired_key_signs_nothing_any_more(place: Path) -> None:
    first = written(place, changes=2).key
    old = place.with_suffix(".key").read_bytes()
    with Ledger.open(place) as ledger:
        ledger.set_key(rotates=True)
        place.with_suffix(".key").write_bytes(old)
        before = sizes(ledger)
        change_a_database(ledger, 9)
        assert sizes(ledger) == before
        assert ledger.verify([first]).verified
        with pytest.raises(LedgerError) as refused:
            ledger.set_key(rotates=True)
        assert refused.value.code == "ledger.key"


def test_a_checkpoint_that_was_kept_elsewhere_is_held_against_the_ledger(tmp_path: Path) -> None:
    true, other = written(tmp_path / "a.db", changes=2), written(tmp_path / "b.db", changes=2)
    with Ledger.open(true.path) as ledger, Ledger.open(other.path) as another:
        kept, foreign = ledger.checkpoint(), another.checkpoint()
        assert kept is not None
        assert foreign is not None
        change_a_database(ledger, 9)
        assert ledger.verify([true.key], [kept]).verified
        assert not ledger.verify([true.key], [foreign]).verified
        assert read_checkpoint(kept.note) == kept


@pytest.mark.parametrize("which", ["size = (SELECT max(size) FROM checkpoints)", "true"])
def test_a_checkpoint_that_was_seen_here_is_missed(place: Path, which: str) -> None:
    with Ledger.open(place) as ledger:
        ledger.set_key()
        for number in range(3):
            change_a_database(ledger, number)
    past_the_triggers(place, f"DELETE FROM checkpoints WHERE {which}")
    with Ledger.open(place) as ledger:
        found = ledger.verify()
    assert not found.verified
    assert found.reason.endswith("which was seen here before, is missing")
