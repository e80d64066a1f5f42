"""Claims about signed notes: both signatures hold, another implementation of ML-DSA agrees, and nothing else passes."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dilithium_py.ml_dsa import ML_DSA_65
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.signing.keys import SigningKey
from trimtab.signing.note import MOST_BYTES, NoteFlawError, note_text, signed_note, signer_of
from trimtab.signing.signature import sign

KEY, OTHER = SigningKey(b"a" * 32, b"b" * 32), SigningKey(b"c" * 32, b"d" * 32)
TEXT, NAME, PURPOSE = "example.com/log\n5\nroot\n", "example.com/log", "tests/v1"
NOTE = signed_note(TEXT, KEY, name=NAME, purpose=PURPOSE)


def flaw(note: str, *, name: str = NAME, purpose: str = PURPOSE, known: tuple[SigningKey, ...] = (OTHER, KEY)) -> str:
    try:
        signer_of(note, [key.public for key in known], name=name, purpose=purpose)
    except NoteFlawError as error:
        return str(error)
    return ""


def lines() -> list[tuple[str, bytes]]:
    found = [line.split(" ") for line in NOTE.rpartition("\n\n")[2].splitlines()]
    return [(name, base64.b64decode(signature)) for _, name, signature in found]


def test_a_note_says_its_text_and_both_signatures_hold() -> None:
    assert note_text(NOTE) == TEXT
    assert NOTE.startswith(f"{TEXT}\n— {NAME} ")
    assert flaw(NOTE) == ""
    assert signer_of(NOTE, [KEY.public], name=NAME, purpose=PURPOSE) == KEY.public


def test_its_ed25519_line_is_what_c2sp_specifies() -> None:
    import hashlib

    name, raw = lines()[0]
    public = KEY.public.ed25519
    assert name == NAME
    assert raw[:4] == hashlib.sha256(NAME.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], TEXT.encode())


def test_an_independent_implementation_of_ml_dsa_accepts_what_we_sign_and_we_accept_what_it_signs() -> None:
    _, raw = lines()[1]
    public, secret = ML_DSA_65.key_derive(KEY.ml_dsa_65_seed)
    assert public == KEY.public.ml_dsa_65
    assert ML_DSA_65.verify(public, TEXT.encode(), raw[4:], ctx=PURPOSE.encode())
    assert not ML_DSA_65.verify(public, TEXT.encode(), raw[4:], ctx=b"another purpose")
    theirs = ML_DSA_65.sign(secret, TEXT.encode(), ctx=PURPOSE.encode())
    exchanged = base64.b64encode(raw[:4] + theirs).decode()
    assert flaw(NOTE.replace(base64.b64encode(raw).decode(), exchanged)) == ""
    plain = sign(b"a document", KEY, purpose=PURPOSE)[1]
    assert ML_DSA_65.verify(public, b"tests/v1\0a document", base64.b64decode(plain["signature"]))


def test_a_note_for_another_purpose_or_name_or_of_an_unknown_signer_is_refused() -> None:
    assert "ml-dsa-65 signature" in flaw(NOTE, purpose="tests/v2")
    assert "not known" in flaw(NOTE, name="example.com/other")
    assert "not known" in flaw(NOTE, known=(OTHER,))
    assert "not known" in flaw(NOTE, known=())


@pytest.mark.parametrize("kept", [0, 1])
def test_one_signature_alone_is_refused(kept: int) -> None:
    text, _, signatures = NOTE.rpartition("\n\n")
    assert "one signature of each kind" in flaw(f"{text}\n\n{signatures.splitlines(keepends=True)[kept]}")


def test_lines_of_witnesses_that_are_not_known_are_passed_over() -> None:
    witness = base64.b64encode(b"\0\1\2\3" + b"s" * 64).decode()
    assert flaw(f"{NOTE}— example.com/witness {witness}\n") == ""


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(NOTE) - 1), st.integers(0, 6))
def test_no_flipped_bit_passes(at: int, bit: int) -> None:
    flipped = NOTE[:at] + chr(ord(NOTE[at]) ^ (1 << bit)) + NOTE[at + 1 :]
    assert flaw(flipped)


@pytest.mark.parametrize("note", ["", "\n", TEXT, f"{TEXT}\n", f"{TEXT}\nx\n", "x" * (MOST_BYTES + 1), f"{TEXT}\n— \n"])
def test_what_is_no_note_is_refused(note: str) -> None:
    assert flaw(note)
