"""Claims about keys and signatures: who may read them, what holds, and that nothing else does."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from trimtab.errors import KeyFileError
from trimtab.signing.keys import SigningKey, public_key, signing_key, write_public_key
from trimtab.signing.signature import flaw_in, sign

MESSAGE, PURPOSE = b"what is signed", "tests/v1"


def _code(call: object) -> str:
    with pytest.raises(KeyFileError) as refused:
        call()  # type: ignore[operator]
    return refused.value.code


def test_a_key_is_made_once_for_its_user_alone_and_is_the_same_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    key = signing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing_key(path) == key
    assert [p.name for p in tmp_path.iterdir()] == ["signing.key"]
    assert key.public.id in repr(key)
    assert key.ed25519_seed.hex() not in repr(key)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    signing_key(path)
    path.chmod(0o640)
    assert _code(lambda: signing_key(path)) == "key.readable"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": "trimtab.secret-key/v1"}', b"[" * 100_000])
def test_a_damaged_key_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "signing.key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert _code(lambda: signing_key(path)) == "key.damaged"
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert _code(lambda: signing_key(tmp_path / "no" / "signing.key")) == "key.unusable"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert _code(lambda: signing_key(tmp_path / "link")) == "key.unusable"


def test_a_public_key_survives_its_file_and_an_exchanged_half_is_found(tmp_path: Path) -> None:
    key, other = SigningKey(b"a" * 32, b"b" * 32), SigningKey(b"a" * 32, b"c" * 32)
    path = tmp_path / "key.pub"
    write_public_key(key.public, path)
    assert public_key(path) == key.public
    assert _code(lambda: write_public_key(key.public, path)) == "key.unusable"
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "ml_dsa_65": other.public.to_dict()["ml_dsa_65"]}))
    assert _code(lambda: public_key(path)) == "key.damaged"


def test_both_signatures_of_a_known_signer_hold_and_nothing_else_does() -> None:
    key, other = SigningKey(os.urandom(32), os.urandom(32)), SigningKey(os.urandom(32), os.urandom(32))
    signatures = sign(MESSAGE, key, purpose=PURPOSE)
    known = [other.public, key.public]
    assert flaw_in(MESSAGE, signatures, known, purpose=PURPOSE) is None

    def flaw(changed: list[dict[str, str]], message: bytes = MESSAGE, purpose: str = PURPOSE) -> str:
        return flaw_in(message, changed, known, purpose=purpose) or ""

    ed25519, ml_dsa = signatures
    forged = sign(MESSAGE, other, purpose=PURPOSE)
    assert "ed25519 signature" in flaw(signatures, message=MESSAGE + b"!")
    assert "ed25519 signature" in flaw(signatures, purpose="tests/v2")
    assert "one signature of each kind" in flaw([ed25519])
    assert "one signature of each kind" in flaw([ed25519, ed25519])
    assert "is not known" in flaw([ed25519, forged[1]])
    assert "ed25519 signature" in flaw([{**ed25519, "signature": forged[0]["signature"]}, ml_dsa])
    assert "ml-dsa-65 signature" in flaw([ed25519, {**ml_dsa, "signature": forged[1]["signature"]}])
    assert "fields" in flaw([{**ed25519, "more": ""}, ml_dsa])
    assert "ml-dsa-65 signature" in flaw([ed25519, {**ml_dsa, "signature": "not base64"}])
    assert flaw_in(MESSAGE, signatures, [], purpose=PURPOSE) is not None


def test_of_the_texts_that_stand_for_the_same_bytes_one_alone_is_taken() -> None:
    key = SigningKey(b"a" * 32, b"b" * 32)
    ed25519, ml_dsa = sign(MESSAGE, key, purpose=PURPOSE)
    text = ed25519["signature"]
    assert text.endswith("==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    same_bytes = text[:-3] + alphabet[alphabet.index(text[-3]) ^ 1] + "=="
    found = flaw_in(MESSAGE, [{**ed25519, "signature": same_bytes}, ml_dsa], [key.public], purpose=PURPOSE)
    assert found is not None
