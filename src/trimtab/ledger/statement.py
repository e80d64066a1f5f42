"""What was done to a database as an in-toto statement (Statement v1): the digests of a change and of the rules that it
was made under, and the entries that tell of it with their proofs. In a DSSE envelope, with two signatures.

Pure. Verifying needs the envelope and a public key, and believes no digest that its own entries do not state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.errors import LedgerError
from trimtab.ledger.checkpoint import Checkpoint
from trimtab.ledger.entry import canonical_body
from trimtab.ledger.proof import ProofFlawError, included, require_included, signed_checkpoint_of
from trimtab.ledger.withheld import digests_in
from trimtab.model.change import change_from_dict
from trimtab.signing.envelope import EnvelopeFlawError, opened, sealed
from trimtab.signing.keys import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://trimtab.dev/change/v1"
_INTENDED = ("apply_intended", "revert_intended")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a statement shows: whose it is, of which entries, of which changes by the digest of each."""

    origin: str
    signer: str
    seqs: tuple[int, ...]
    change_digests: tuple[str, ...]
    size: int
    root: bytes


def change_statement(
    entries: Sequence[tuple[Mapping[str, object], Sequence[bytes]]], checkpoint: Checkpoint, key: SigningKey
) -> dict[str, object]:
    """Return the envelope of the statement about the entries, each with its proof by the checkpoint."""
    statement = {
        "_type": _STATEMENT,
        "subject": _subjects([entry for entry, _ in entries]),
        "predicateType": PREDICATE,
        "predicate": {
            "origin": checkpoint.origin,
            "checkpoint": checkpoint.note,
            "entries": [included(entry, hashes) for entry, hashes in entries],
        },
    }
    return sealed(canonical_body(statement), PAYLOAD_TYPE, key)


def stated(envelope: Mapping[str, object], keys: Sequence[PublicKey]) -> Stated:
    """Return what an envelope of `change_statement` shows. Raises ProofFlawError."""
    try:
        payload, signer = opened(envelope, PAYLOAD_TYPE, keys)
    except EnvelopeFlawError as error:
        raise ProofFlawError(str(error)) from None
    statement = json.loads(payload)
    if not isinstance(statement, dict) or statement.get("_type") != _STATEMENT:
        raise ProofFlawError("it is no in-toto statement")
    predicate = statement.get("predicate")
    if statement.get("predicateType") != PREDICATE or not isinstance(predicate, dict):
        raise ProofFlawError(f"it is no statement of {PREDICATE}")
    checkpoint, _ = signed_checkpoint_of(predicate.get("checkpoint"), keys)
    given = predicate.get("entries")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise ProofFlawError("it names no entry")
    entries = [require_included(each, checkpoint) for each in given]
    if statement.get("subject") != _subjects(entries):
        raise ProofFlawError("its subjects are not what its entries are about")
    return Stated(
        origin=checkpoint.origin,
        signer=signer.id,
        seqs=tuple(int(str(entry["seq"])) for entry in entries),
        change_digests=tuple(str(intent["change_digest"]) for intent in _intents(entries)),
        size=checkpoint.size,
        root=checkpoint.root,
    )


def _subjects(entries: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for intent in _intents(entries):
        change, name = intent.get("change"), str(intent.get("intent_id"))
        is_whole = isinstance(change, dict) and not digests_in(change)
        if not isinstance(change, dict) or (is_whole and _digest(change) != intent.get("change_digest")):
            raise ProofFlawError("an intent does not name the digest of its change")
        subjects = {"change": intent.get("change_digest")}
        if is_whole:  # else the digest is as the entry states it: only its text could tell that of its SQL
            subjects["sql"] = hashlib.sha256(_sql(change).encode()).hexdigest()
        subjects["specification"] = intent.get("spec_digest")
        found += [{"name": f"{what}:{name}", "digest": {"sha256": str(digest)}} for what, digest in subjects.items()]
    return found


def _digest(change: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical_body(change)).hexdigest()


def _intents(entries: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    bodies = [entry.get("body") for entry in entries if entry.get("kind") in _INTENDED]
    return [body for body in bodies if isinstance(body, dict)]


def _sql(change: Mapping[str, object]) -> str:
    try:
        return change_from_dict(change).sql()
    except (KeyError, TypeError, ValueError, LedgerError):
        raise ProofFlawError("its change is none that this version of Trimtab knows") from None
