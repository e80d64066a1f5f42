"""Whose signatures count here: public keys by name, in the state directory, apart for waivers and for bundles.

Who can write there decides what is believed: the directory is this user's alone. Signs and opens; judges nothing.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from trimtab.durable import read_plain_file, write_durably
from trimtab.errors import KeyFileError, SpecError
from trimtab.signing.envelope import EnvelopeFlawError, opened, sealed
from trimtab.signing.keys import PublicKey, SigningKey, damaged, public_key_and_more, write_public_key
from trimtab.spec.moments import text_of, unix_of

Purpose: TypeAlias = Literal["waivers", "bundles"]
TYPES: dict[Purpose, str] = {
    "waivers": "application/vnd.trimtab.waiver+yaml",
    "bundles": "application/vnd.trimtab.spec-bundle+yaml",
}
MAX_SIGNED_BYTES = 1 << 20
_DIRECTORY = "trusted-keys"
_NOT_AFTER = "not_after"
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Trusted:
    """A key that is believed, before `not_after_unix` where that is told."""

    key: PublicKey
    not_after_unix: int | None

    @property
    def flaw(self) -> str | None:
        """Why it is believed no more, None while it is."""
        if self.not_after_unix is None or time.time() < self.not_after_unix:
            return None
        return f"expired at {text_of(self.not_after_unix)}"


def trust(state: Path, purpose: Purpose, name: str, key: PublicKey, *, not_after_unix: int | None = None) -> Path:
    """Believe the key under that name, until then; return its file. Raises KeyFileError `key.name`, `key.unusable`."""
    if _NAME.fullmatch(name) is None:
        raise KeyFileError(
            f"the name {name!r} was refused: a name is of small letters, digits, dots and dashes",
            code="key.name",
            next_step="Name the key after who holds it, as in dba.ann.",
        )
    for other, known in trusted(state, purpose).items():
        if known.key.id == key.id:
            raise KeyFileError(
                f"the key {key.id} was refused: it is trusted here already, as {other}",
                code="key.name",
                next_step=f"Whoever is to sign beside another needs a key of their own. To have {other} end at another "
                "moment, remove that one first (`--remove`).",
            )
    path = _directory(state, purpose) / f"{name}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = {} if not_after_unix is None else {_NOT_AFTER: text_of(not_after_unix)}
    write_public_key(key, path, until)  # never in place of another: who is to be believed instead is removed first
    return path


def distrust(state: Path, purpose: Purpose, name: str) -> bool:
    """Believe the key of that name no more; return whether there was one."""
    if _NAME.fullmatch(name) is None:
        return False
    path = _directory(state, purpose) / f"{name}.json"
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def trusted(state: Path, purpose: Purpose) -> dict[str, Trusted]:
    """Return the keys that were trusted, by name, expired ones too. Raises KeyFileError for one that is damaged."""
    directory = _directory(state, purpose)
    return {path.stem: _trusted(path) for path in sorted(directory.glob("*.json"))} if directory.is_dir() else {}


def _trusted(path: Path) -> Trusted:
    key, more = public_key_and_more(path)
    try:
        return Trusted(key, unix_of(more[_NOT_AFTER]) if _NOT_AFTER in more else None)
    except ValueError:
        raise damaged(path, f"its {_NOT_AFTER} is no moment") from None


def signed(payload: bytes, purpose: Purpose, key: SigningKey, earlier: Sequence[object] = ()) -> bytes:
    """Return the document with the signatures of the key, beside those that it carries already."""
    envelope = sealed(payload, TYPES[purpose], key)
    new = envelope["signatures"]
    assert isinstance(new, list)
    return json.dumps({**envelope, "signatures": [*earlier, *new]}, indent=2).encode() + b"\n"


def payload_of(envelope: dict[str, object], purpose: Purpose, known: Sequence[PublicKey], *, name: str) -> bytes:
    """Return what was signed, when all these keys have signed it. Raises SpecError `spec.signature`."""
    payload: bytes | None = None
    for key in known:
        try:
            payload, _ = opened(envelope, TYPES[purpose], [key])
        except (EnvelopeFlawError, ValueError) as error:
            raise signature_error(name, str(error)) from None
    if payload is None:
        raise signature_error(name, "nobody is named who must have signed it")
    return payload


def is_signed_by(envelope: dict[str, object], key: PublicKey) -> bool:
    """Return whether there is a signature by the name of that key; if it holds `payload_of` says."""
    signatures = envelope.get("signatures")
    named = [each.get("keyid") for each in signatures if isinstance(each, dict)] if isinstance(signatures, list) else []
    return any(isinstance(each, str) and each.startswith(f"{key.id}:") for each in named)


def read_envelope(path: Path) -> dict[str, object]:
    """Return the signed document of a file. Raises SpecError `spec.unreadable`, `spec.signature`."""
    return envelope_of(read_signed(path), str(path))


def read_signed(path: Path) -> bytes:
    """Return what a file holds, up to what a signed document may. Raises SpecError `spec.unreadable`."""
    try:
        return read_plain_file(path, MAX_SIGNED_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"{path} cannot be read: {error.strerror}",
            code="spec.unreadable",
            next_step="Give the path of a file that you may read.",
        ) from None


def envelope_of(text: bytes, name: str) -> dict[str, object]:
    """Return the signed document of these bytes. Raises SpecError `spec.signature`."""
    try:
        held = json.loads(text) if len(text) <= MAX_SIGNED_BYTES else None
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise signature_error(name, "it is no signed document")
    return held


def claimed(envelope: dict[str, object], name: str) -> bytes:
    """Return what the document says was signed; that it was, `payload_of` finds. Raises SpecError `spec.signature`."""
    held = envelope.get("payload")
    try:
        return base64.b64decode(held if isinstance(held, str) else "?", validate=True)
    except ValueError:
        raise signature_error(name, "it is no signed document") from None


def signature_error(name: str, found: str) -> SpecError:
    """Return the refusal of a document whose signatures do not show that it is to be believed."""
    return SpecError(
        f"{name} was refused: {found}",
        code="spec.signature",
        next_step="Have it signed with `trimtab spec sign` by everyone who must, and their keys trusted here.",
    )


def write_document(path: Path, content: bytes) -> None:
    """Write a document of the state directory, durably, and the directory it is in. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(path, content)


def _directory(state: Path, purpose: Purpose) -> Path:
    return state / _DIRECTORY / purpose
