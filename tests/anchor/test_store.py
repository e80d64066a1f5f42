"""Claims about the chain of anchors: what is wrong in it is found and named, and no death leaves half of one."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.anchor.document import SignedAnchor
from trimtab.anchor.store import AnchorStore
from trimtab.errors import AnchorError
from trimtab.model.anchor import Anchor, State
from trimtab.signing.keys import SigningKey, write_public_key

from .anchors import anchor, counted, level


@pytest.fixture
def store(tmp_path: Path) -> AnchorStore:
    return AnchorStore(tmp_path / "anchors")


def _appended(store: AnchorStore, count: int) -> list[SignedAnchor]:
    return [_append(store, anchor(level("q1", count=counted()), time_ns=10**18 + n)) for n in range(count)]


def _append(store: AnchorStore, new: Anchor) -> SignedAnchor:
    return store.append(new, list, lambda _signed: None)


def _files(store: AnchorStore) -> list[Path]:
    return sorted(store.directory.glob("*.anchor.json"))


def _found(store: AnchorStore, digests: list[str]) -> str:
    flaw = store.flaw(digests)
    return "" if flaw is None else f"{flaw.anchor_id}: {flaw.found}"


def test_everything_is_for_this_user_alone(store: AnchorStore) -> None:
    _appended(store, 1)
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [store.directory, *store.directory.rglob("*")]}
    assert modes == {0}


def test_anchors_come_back_in_the_order_of_the_chain_and_by_name(store: AnchorStore) -> None:
    written = _appended(store, 3)
    assert store.anchors() == written
    assert [a.previous for a in written] == ["0" * 64, written[0].digest, written[1].digest]
    assert store.find("latest") == written[2]
    assert store.find(written[1].anchor.id) == written[1]
    for name, code in (("a-", "anchor.ambiguous"), ("a-77", "anchor.unknown"), ("", "anchor.unknown")):
        with pytest.raises(AnchorError) as refused:
            store.find(name)
        assert refused.value.code == code


def test_a_clock_that_went_back_does_not_turn_the_order(store: AnchorStore) -> None:
    first = _append(store, anchor(time_ns=10**18))
    second = _append(store, anchor(time_ns=10**17))
    assert second.anchor.coordinate[0] == first.anchor.coordinate[0] + 1
    assert second.anchor.id == f"a-{10**18 + 1:x}"
    assert store.anchors() == [first, second]


def test_a_chain_that_holds_has_no_flaw_and_its_last_may_be_unknown_to_the_ledger(store: AnchorStore) -> None:
    digests = [signed.digest for signed in _appended(store, 3)]
    assert store.flaw(digests) is None
    assert store.flaw(digests[:2]) is None


def test_one_that_was_written_and_not_recorded_is_recorded_before_the_next(store: AnchorStore) -> None:
    told: list[str] = []

    def record(signed: SignedAnchor) -> None:
        told.append(signed.digest)

    first, second = _appended(store, 2)
    third = store.append(anchor(time_ns=2 * 10**18), lambda: [first.digest], record)
    assert told == [second.digest, third.digest]
    fourth = store.append(anchor(time_ns=3 * 10**18), lambda: [first.digest, *told], record)
    assert told == [second.digest, third.digest, fourth.digest]


def test_looking_leaves_no_trace(store: AnchorStore) -> None:
    assert store.anchors() == []
    assert store.flaw([]) is None
    assert store.known() == ()
    assert not store.directory.exists()


def test_an_anchor_left_out_exchanged_copied_or_cut_off_is_found(store: AnchorStore) -> None:
    written = _appended(store, 4)
    digests = [signed.digest for signed in written]
    files = _files(store)
    whole = [path.read_bytes() for path in files]

    files[1].unlink()
    assert _found(store, digests) == f"{written[2].anchor.id}: it does not follow the anchor before it: one is missing"
    files[1].write_bytes(whole[2])
    assert _found(store, digests) == f"{written[1].anchor.id}: its file has the name of another one"
    files[1].write_bytes(whole[1])
    assert store.flaw(digests) is None
    files[3].unlink()
    assert _found(store, digests) == ": 1 anchors that the ledger has are missing at the end"
    assert _found(store, [digests[0], "f" * 64]) == f"{written[1].anchor.id}: the ledger does not have it at this place"
    files[3].write_bytes(whole[3][:-40] + b"\n")
    assert _found(store, digests).startswith(f"{written[3].anchor.id}: it is no canonical JSON")
    with pytest.raises(AnchorError) as refused:
        store.find("latest")
    assert refused.value.code == "anchor.flawed"


def test_nothing_is_written_after_a_flawed_one(store: AnchorStore) -> None:
    _appended(store, 1)
    _files(store)[0].write_bytes(b"{}\n")
    with pytest.raises(AnchorError):
        _append(store, anchor(time_ns=2 * 10**18))
    assert len(_files(store)) == 1


def test_keys_of_others_are_believed_where_they_are_put(store: AnchorStore, tmp_path: Path) -> None:
    _appended(store, 1)
    other = SigningKey(b"x" * 32, b"y" * 32)
    assert other.public not in store.known()
    write_public_key(other.public, tmp_path / "other.pub")
    assert other.public in store.known([tmp_path / "other.pub"])
    write_public_key(other.public, store.directory / "keys" / "other.pub")
    assert other.public in store.known()


def test_a_key_that_is_missing_is_told_and_none_is_made_until_its_public_half_is_believed(
    store: AnchorStore, tmp_path: Path
) -> None:
    first = _appended(store, 1)
    lost = store.directory / "signing.key"
    write_public_key(store.key().public, tmp_path / "public.key")
    lost.unlink()
    for use in (store.key, lambda: _append(store, anchor(time_ns=2 * 10**18)), store.anchors):
        with pytest.raises(AnchorError, match="is not known here") as refused:
            use()
        assert "restore it" in refused.value.next_step
        assert not lost.exists()
    (tmp_path / "public.key").rename(store.directory / "keys" / "old.pub")
    second = _append(store, anchor(time_ns=2 * 10**18))
    assert second.key_id != first[0].key_id
    assert _found(store, [first[0].digest, second.digest]) == ""


def test_statistics_are_kept_with_their_anchor_and_forgotten_with_the_last_that_rests_on_them(
    store: AnchorStore,
) -> None:
    with store.written_statistics(lambda path: path.write_bytes(b"statistics")) as written:
        resting = replace(anchor(), state=State(image_sha256=written.digest))
        assert store.statistics(resting) is None
        resting = store.append(resting, list, lambda _signed: None, written).anchor
    found = store.statistics(resting)
    assert found is not None
    assert found.read_bytes() == b"statistics"
    with store.written_statistics(lambda path: path.write_bytes(b"never kept")):
        assert store.forget_statistics(lambda: [resting]) == 0
    assert [path.name for path in (store.directory / "statistics").iterdir()] == [found.name]
    found.write_bytes(b"changed")
    with pytest.raises(AnchorError) as refused:
        store.statistics(resting)
    assert refused.value.code == "anchor.statistics"
    assert store.forget_statistics(list) == 1
    assert store.statistics(resting) is None


def test_a_full_or_forbidden_place_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnchorError) as refused:
        _append(AnchorStore(tmp_path / "file"), anchor())
    assert refused.value.code == "anchor.unusable"


_WRITER = """
import sys
from pathlib import Path
from trimtab.anchor.store import AnchorStore
from tests.anchor.anchors import anchor
store = AnchorStore(Path(sys.argv[1]))
print("begun", flush=True)
for number in range(10**6):
    store.append(anchor(time_ns=10**18 + number), list, lambda _: None)
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_leaves_a_chain_that_holds_and_goes_on(store: AnchorStore) -> None:
    digests: list[str] = []
    for wait in range(5):
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(store.directory)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(2 + wait):
                writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
        found = store.anchors()
        assert [signed.digest for signed in found[: len(digests)]] == digests
        digests = [signed.digest for signed in found]
        assert store.flaw(digests) is None
        assert [path for path in store.directory.iterdir() if path.name.endswith(".json")] != []
