"""The portable form of a security baseline: canonical JSON, signed as a whole, for one purpose.

Reading decides nothing but whether it is exactly what was signed. It needs no server and no file but the document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.ledger.entry import canonical_body, parse_body
from trimtab.security.snapshot import SecuritySnapshot, snapshot_from_dict, snapshot_to_dict
from trimtab.signing.keys import PublicKey, SigningKey
from trimtab.signing.signature import flaw_in, sign

FORMAT = "trimtab.security/v1"
MOST_BYTES = 256 << 20
_FIELDS = ("digest", "format", "signatures", "snapshot")


class BaselineFlawError(ValueError):
    """What is wrong with a baseline, in words. Never quotes it."""


@dataclass(frozen=True, slots=True)
class SignedBaseline:
    """A snapshot that was signed, by which key, and the digest of the whole document but its signatures."""

    snapshot: SecuritySnapshot
    key_id: str
    document_sha256: str


def write_baseline(snapshot: SecuritySnapshot, key: SigningKey) -> bytes:
    """Return the signed document of the snapshot."""
    head = {"format": FORMAT, "digest": snapshot.digest, "snapshot": snapshot_to_dict(snapshot)}
    return canonical_body({**head, "signatures": sign(canonical_body(head), key, purpose=FORMAT)}) + b"\n"


def read_baseline(raw: bytes, known: Sequence[PublicKey]) -> SignedBaseline:
    """Return the baseline that one of the known signers has signed. Raises BaselineFlawError at anything else."""
    document = _document(raw)
    head = {name: document[name] for name in ("format", "digest", "snapshot")}
    signed = canonical_body(head)
    signatures = document["signatures"]
    if not isinstance(signatures, list) or not all(isinstance(item, dict) for item in signatures):
        raise BaselineFlawError("its signatures are no list of signatures")
    flaw = flaw_in(signed, signatures, known, purpose=FORMAT)
    if flaw is not None:
        raise BaselineFlawError(flaw)
    held = document["snapshot"]
    try:
        snapshot = snapshot_from_dict(held if isinstance(held, Mapping) else {})
    except (ValueError, TypeError):  # the message would quote it
        raise BaselineFlawError("it holds what this version of Trimtab does not understand") from None
    if snapshot.digest != document["digest"]:
        raise BaselineFlawError("its digest is not that of its snapshot")
    return SignedBaseline(snapshot, str(signatures[0]["key_id"]), hashlib.sha256(signed).hexdigest())


def _document(raw: bytes) -> Mapping[str, object]:
    if len(raw) > MOST_BYTES:
        raise BaselineFlawError(f"it is larger than {MOST_BYTES} bytes")
    try:
        document = parse_body(raw.removesuffix(b"\n"))
    except ValueError:
        raise BaselineFlawError("it is no canonical JSON") from None
    if document.get("format") != FORMAT:
        raise BaselineFlawError(f"it is not of the format {FORMAT}")
    if tuple(sorted(document)) != _FIELDS:
        raise BaselineFlawError("it does not have the fields of a baseline")
    return document
