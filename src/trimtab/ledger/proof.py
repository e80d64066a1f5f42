"""Proofs that stand alone: that an entry is in the ledger, and that a ledger only grew since an earlier checkpoint.

Pure. A proof is held against a signed checkpoint that it carries: with the public key nothing else is needed, neither
the ledger nor this machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.errors import LedgerError
from trimtab.ledger.checkpoint import Checkpoint, checkpoint_signer, read_checkpoint
from trimtab.ledger.entry import canonical_body
from trimtab.ledger.merkle import holds_consistency, holds_inclusion, leaf_hash
from trimtab.signing.keys import PublicKey
from trimtab.signing.note import NoteFlawError

SCHEMA = "trimtab.ledger.proof/v1"
_MOST_HASHES = 128


class ProofFlawError(ValueError):
    """What is wrong with a proof, in words. Never quotes it."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: by whose checkpoint of how many entries, of which entry, and since which earlier size."""

    origin: str
    size: int
    signer: str
    seq: int | None
    since: int | None
    root: bytes


def proof_document(
    checkpoint: Checkpoint,
    *,
    inclusion: tuple[Mapping[str, object], Sequence[bytes]] | None = None,
    consistency: tuple[Checkpoint, Sequence[bytes]] | None = None,
) -> dict[str, object]:
    """Return a proof, as its document. `inclusion` is an entry and its path, `consistency` an earlier checkpoint's."""
    document: dict[str, object] = {"schema": SCHEMA, "checkpoint": checkpoint.note}
    if inclusion is not None:
        document["inclusion"] = included(*inclusion)
    if consistency is not None:
        earlier, hashes = consistency
        document["consistency"] = {"checkpoint": earlier.note, "proof": [each.hex() for each in hashes]}
    return document


def included(entry: Mapping[str, object], hashes: Sequence[bytes]) -> dict[str, object]:
    """Return an entry with the proof that it is in a ledger, as documents hold it."""
    return {"entry": dict(entry), "proof": [each.hex() for each in hashes]}


def proven(document: Mapping[str, object], keys: Sequence[PublicKey]) -> Proven:
    """Return what a document of `proof_document` shows, by a checkpoint of a known key. Raises ProofFlawError.

    The earlier checkpoint of a consistency proof must be signed by a known key too.
    """
    if document.get("schema") != SCHEMA:
        raise ProofFlawError(f"it is not of the schema {SCHEMA}")
    checkpoint, signer = signed_checkpoint_of(document.get("checkpoint"), keys)
    inclusion, consistency = document.get("inclusion"), document.get("consistency")
    if not isinstance(inclusion, dict) and not isinstance(consistency, dict):
        raise ProofFlawError("it proves nothing: it has neither an inclusion nor a consistency proof")
    seq = require_included(inclusion, checkpoint)["seq"] if isinstance(inclusion, dict) else None
    since = _require_consistent(consistency, checkpoint, keys) if isinstance(consistency, dict) else None
    return Proven(checkpoint.origin, checkpoint.size, signer.id, _number(seq), since, checkpoint.root)


def signed_checkpoint_of(note: object, keys: Sequence[PublicKey]) -> tuple[Checkpoint, PublicKey]:
    """Return a note's checkpoint and its known signer. Raises ProofFlawError."""
    try:
        checkpoint = read_checkpoint(str(note))
        return checkpoint, checkpoint_signer(checkpoint, keys)
    except NoteFlawError as error:
        raise ProofFlawError(f"its checkpoint does not hold: {error}") from None


def require_included(inclusion: Mapping[str, object], checkpoint: Checkpoint) -> Mapping[str, object]:
    """Return the entry that is shown to be among those of the checkpoint. Raises ProofFlawError."""
    entry = inclusion.get("entry")
    seq = entry.get("seq") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(seq, int):
        raise ProofFlawError("it holds no entry")
    try:
        leaf = leaf_hash(canonical_body(entry))
    except LedgerError:
        raise ProofFlawError("its entry is no canonical JSON") from None
    if not holds_inclusion(leaf, seq - 1, checkpoint.size, _hashes(inclusion.get("proof")), checkpoint.root):
        raise ProofFlawError(f"entry {seq} is not, as it stands there, in the ledger that the checkpoint is of")
    return entry


def _require_consistent(consistency: Mapping[str, object], later: Checkpoint, keys: Sequence[PublicKey]) -> int:
    earlier, _ = signed_checkpoint_of(consistency.get("checkpoint"), keys)
    require_beginning(earlier, later, _hashes(consistency.get("proof")))
    return earlier.size


def require_beginning(earlier: Checkpoint, later: Checkpoint, hashes: Sequence[bytes]) -> None:
    """Require the hashes to prove that the later ledger begins with the earlier. Raises ProofFlawError."""
    sizes, roots = (earlier.size, later.size), (earlier.root, later.root)
    if earlier.origin != later.origin or not holds_consistency(*sizes, *roots, hashes):
        raise ProofFlawError(f"the ledger of {later.size} entries does not begin with that of {earlier.size}")


def _hashes(value: object) -> list[bytes]:
    if not isinstance(value, list) or len(value) > _MOST_HASHES:
        raise ProofFlawError("its proof is no list of hashes")
    try:
        return [bytes.fromhex(each) for each in value]
    except (TypeError, ValueError):
        raise ProofFlawError("its proof is no list of hashes") from None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def read_document(raw: bytes) -> Mapping[str, object] | None:
    """Return the JSON object that the bytes are as a whole, None when they are none."""
    try:
        document = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
