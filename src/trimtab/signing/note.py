"""Signed notes in C2SP's form, by both keys of a signer: a text, an empty line, and a line for each signature.

The Ed25519 line is what C2SP's signed-note specifies (type 0x01), so that any reader of such notes can check it. For
ML-DSA-65 none is assigned: its line is of type 0xff "ML-DSA-65", bound to its purpose by FIPS 204's context string.
Decides of a note whether both hold, and of what it says nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from trimtab.signing.keys import PublicKey, SigningKey

MOST_BYTES = 1 << 16
_ED25519, _ML_DSA_65 = b"\x01", b"\xffML-DSA-65"
_DASH = "— "


class NoteFlawError(ValueError):
    """What is wrong with a note, in words. Never quotes it."""


def signed_note(text: str, key: SigningKey, *, name: str, purpose: str) -> str:
    """Return the text, which ends in a line end, with both signatures. `name` is how the lines name the key."""
    message, public = text.encode(), key.public
    lines = (
        _line(name, _key_id(name, _ED25519, public.ed25519), key.ed25519.sign(message)),
        _line(name, _key_id(name, _ML_DSA_65, public.ml_dsa_65), key.ml_dsa_65.sign(message, purpose.encode())),
    )
    return f"{text}\n{''.join(lines)}"


def note_text(note: str) -> str:
    """Return what a note says, before any signature is believed. Raises NoteFlawError when it has no such form."""
    text, empty, _ = note.rpartition("\n\n")
    if not empty or len(note) > MOST_BYTES or not note.endswith("\n"):
        raise NoteFlawError("it is no signed note")
    return f"{text}\n"


def signer_of(note: str, known: Sequence[PublicKey], *, name: str, purpose: str) -> PublicKey:
    """Return the known signer whose two signatures both hold. Raises NoteFlawError.

    Lines of unknown keys are passed over, as C2SP wants; a line that is a known key's and does not hold refuses all.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

    message = note_text(note).encode()
    given = [_read_line(line) for line in note.rpartition("\n\n")[2].splitlines()]
    for key in known:
        classic, quantum = _key_id(name, _ED25519, key.ed25519), _key_id(name, _ML_DSA_65, key.ml_dsa_65)
        lines = {key_id: signature for who, key_id, signature in given if who == name and key_id in (classic, quantum)}
        if not lines:
            continue
        if lines.keys() != {classic, quantum}:
            raise NoteFlawError("it does not carry one signature of each kind, ed25519 and ml-dsa-65")
        try:
            Ed25519PublicKey.from_public_bytes(key.ed25519).verify(lines[classic], message)
        except InvalidSignature:
            raise NoteFlawError("its ed25519 signature does not hold") from None
        try:
            MLDSA65PublicKey.from_public_bytes(key.ml_dsa_65).verify(lines[quantum], message, purpose.encode())
        except InvalidSignature:
            raise NoteFlawError("its ml-dsa-65 signature does not hold") from None
        return key
    raise NoteFlawError("its signer is not known here")


def _line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"{_DASH}{name} {base64.b64encode(key_id + signature).decode()}\n"


def _read_line(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    if not line.startswith(_DASH) or not name or len(raw) < 5 or base64.b64encode(raw).decode() != encoded:
        raise NoteFlawError("a line of its signatures cannot be read")
    return name, raw[:4], raw[4:]


def _key_id(name: str, kind: bytes, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]
