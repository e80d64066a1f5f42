"""A person's key opens with the passphrase alone, and lies where nobody else reads it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trimtab.errors import KeyFileError
from trimtab.signing.keys import PublicKey
from trimtab.signing.locked import fingerprint, make_locked_key, unlocked_key
from trimtab.signing.signature import flaw_in, sign

PASSPHRASE = "correct horse battery staple"


def _code(path: Path, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(KeyFileError) as refused:
        unlocked_key(path, passphrase)
    return refused.value.code


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, PublicKey]:
    path = tmp_path / "approvers" / "ann.pem"
    return path, make_locked_key(path, PASSPHRASE)


def test_it_is_its_owners_alone_and_what_it_signs_verifies(key: tuple[Path, PublicKey]) -> None:
    path, public = key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    unlocked = unlocked_key(path, PASSPHRASE)
    assert unlocked.public == public
    assert flaw_in(b"x", sign(b"x", unlocked, purpose="p"), (public,), purpose="p") is None
    assert len(fingerprint(public)) == 64


def test_another_passphrase_does_not_open_it_and_it_stands_in_no_message(key: tuple[Path, PublicKey]) -> None:
    assert _code(key[0], "wrong horse battery staple") == "key.passphrase"
    assert _code(key[0], "") == "key.passphrase"
    seed = unlocked_key(key[0], PASSPHRASE)
    assert seed.ed25519_seed not in key[0].read_bytes()
    assert seed.ml_dsa_65_seed.hex() not in repr(seed)


def test_a_file_that_others_may_read_or_that_is_damaged_is_refused(key: tuple[Path, PublicKey]) -> None:
    path, _ = key
    path.chmod(0o640)
    assert _code(path) == "key.readable"
    path.chmod(0o600)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert _code(path) == "key.damaged"
    path.write_bytes(whole.replace(b"A", b"B"))
    assert _code(path) in ("key.passphrase", "key.damaged")
    path.unlink()
    assert _code(path) == "key.unusable"
    os.mkfifo(path, 0o600)
    assert _code(path) == "key.unusable"


def test_a_key_is_never_written_over_and_needs_a_passphrase_worth_the_name(
    key: tuple[Path, PublicKey], tmp_path: Path
) -> None:
    with pytest.raises(KeyFileError) as there:
        make_locked_key(key[0], PASSPHRASE)
    with pytest.raises(KeyFileError) as short:
        make_locked_key(tmp_path / "bob.pem", "short")
    assert (there.value.code, short.value.code) == ("key.unusable", "key.passphrase")
    assert not (tmp_path / "bob.pem").exists()
