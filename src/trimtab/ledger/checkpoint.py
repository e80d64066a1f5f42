"""Checkpoints: what the ledger was at a size, in C2SP's form (origin, size, root), signed by both keys of its signer.

Pure: it writes and reads them, and says whether one is signed. Whether its root is that of the entries is decided in
`verification.py`. The origin names a ledger by its first entry, so that it is the same in every copy and store.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.signing.keys import PublicKey, SigningKey
from trimtab.signing.note import NoteFlawError, note_text, signed_note, signer_of

ORIGIN = "trimtab.dev/ledger/"
PURPOSE = "trimtab.dev/ledger-checkpoint/v1"
EVERY_ENTRIES = 64
_TEXT = re.compile(r"(trimtab\.dev/ledger/[0-9a-f]{32})\n([1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` entries of the ledger `origin` have this Merkle root. `note` is the signed text."""

    origin: str
    size: int
    root: bytes
    note: str


def origin_of(first_hash: str) -> str:
    """Return the origin of the ledger whose first entry has that hash."""
    return ORIGIN + first_hash[:32]


def signed_checkpoint(origin: str, size: int, root: bytes, key: SigningKey) -> Checkpoint:
    """Return the signed checkpoint."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return Checkpoint(origin, size, root, signed_note(text, key, name=origin, purpose=PURPOSE))


def read_checkpoint(note: str) -> Checkpoint:
    """Return what the note states, before its signatures are looked at. Raises NoteFlawError."""
    found = _TEXT.fullmatch(note_text(note))
    root = base64.b64decode(found[3]) if found is not None else b""
    if found is None or base64.b64encode(root).decode() != found[3]:
        raise NoteFlawError("it is no checkpoint of a ledger")
    return Checkpoint(found[1], int(found[2]), root, note)


def checkpoint_signer(checkpoint: Checkpoint, known: Sequence[PublicKey]) -> PublicKey:
    """Return the known key that signed it. Raises NoteFlawError when none did, with both of its keys."""
    return signer_of(checkpoint.note, known, name=checkpoint.origin, purpose=PURPOSE)
