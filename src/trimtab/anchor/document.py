"""The portable form of an anchor: canonical JSON whose every part has a digest, signed as a whole, chained to the last.

Reading decides nothing but whether it is exactly what was signed, and names the first part that is not. It needs no
server and no file but the document.

The form, `trimtab.anchor/v1`: `id`, `previous` (the digest of the anchor before, or 64 zeros), `anchor` (the parts),
`digests` (SHA-256 of each part's canonical JSON, of `queries` and `tables` each of its own), `signatures`. What is
signed is the canonical JSON (RFC 8785) of all but `anchor` and `signatures`; its SHA-256 is the anchor's digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from trimtab.anchor.record import coordinate_to_dict
from trimtab.errors import LedgerError
from trimtab.ledger.entry import GENESIS, canonical_body, parse_body
from trimtab.model.anchor import Anchor
from trimtab.signing.keys import PublicKey, SigningKey
from trimtab.signing.signature import flaw_in, sign

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = "trimtab.anchor/v1"
MOST_BYTES = 64 << 20
_FIELDS = ("anchor", "digests", "format", "id", "previous", "signatures")
_EACH = ("queries", "tables")
"""Parts that have a digest for each of their members."""


@dataclass(frozen=True, slots=True)
class SignedAnchor:
    """An anchor as its document states it. `digest` is what the next one and the ledger know it by."""

    anchor: Anchor
    previous: str
    digest: str
    key_id: str


class FlawError(ValueError):
    """What is wrong with a document, in words: the first thing that is not as it was signed. Never quotes it."""


def write(anchor: Anchor, key: SigningKey, *, previous: str = GENESIS) -> tuple[bytes, str]:
    """Return the signed document of the anchor, and its digest."""
    parts = _parts(anchor)
    head = {"format": FORMAT, "id": anchor.id, "previous": previous, "digests": _digests(parts)}
    signed = canonical_body(head)
    document = {**head, "anchor": parts, "signatures": sign(signed, key, purpose=FORMAT)}
    return canonical_body(document) + b"\n", hashlib.sha256(signed).hexdigest()


def read(raw: bytes, known: Sequence[PublicKey]) -> SignedAnchor:
    """Return the anchor of a document that one of the known signers has signed. Raises FlawError at anything else."""
    document = _document(raw)
    head = {name: document[name] for name in ("digests", "format", "id", "previous")}
    _require_digests(document["anchor"], document["digests"])
    signed = canonical_body(head)
    signatures = document["signatures"]
    if not isinstance(signatures, list) or not all(isinstance(item, dict) for item in signatures):
        raise FlawError("its signatures are no list of signatures")
    flaw = flaw_in(signed, signatures, known, purpose=FORMAT)
    if flaw is not None:
        raise FlawError(flaw)
    try:
        anchor = _anchor(document["anchor"])
    except (ValueError, KeyError, TypeError):  # the message would quote it
        raise FlawError("it holds what this version of Trimtab does not understand") from None
    if anchor.id != document["id"]:
        raise FlawError("its id is not that of its anchor")
    return SignedAnchor(
        anchor, str(document["previous"]), hashlib.sha256(signed).hexdigest(), str(signatures[0]["key_id"])
    )


def _document(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > MOST_BYTES:
        raise FlawError(f"it is larger than {MOST_BYTES} bytes")
    if not raw.endswith(b"\n"):
        raise FlawError("its end is missing: it has no line end")
    try:
        document = parse_body(raw[:-1])
    except ValueError as error:
        raise FlawError(f"it is no canonical JSON ({_kind(error)})") from None
    if document.get("format") != FORMAT:
        raise FlawError(f"it is not of the format {FORMAT}")
    if tuple(sorted(document)) != _FIELDS:
        raise FlawError("it does not have the fields of an anchor")
    return document


def _kind(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON at byte {error.pos}"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _require_digests(parts: object, digests: object) -> None:
    """Name the first part that does not have the digest that was signed, in the order of the document."""
    if not isinstance(parts, dict) or not isinstance(digests, dict):
        raise FlawError("its parts or their digests are missing")
    for name in sorted(parts.keys() | digests.keys()):
        if name not in digests:
            raise FlawError(f"{name} was added: it has no digest")
        if name not in parts:
            raise FlawError(f"{name} is missing")
        found, wanted = _digest_of(name, parts[name]), digests[name]
        if found == wanted:
            continue
        if isinstance(found, dict) and isinstance(wanted, dict):
            member = min(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
            how = "is missing" if member not in found else "was added" if member not in wanted else "is not as signed"
            raise FlawError(f"{name}: {json.dumps(member)} {how}")
        raise FlawError(f"{name} is not as it was signed")


def _digests(parts: Mapping[str, object]) -> dict[str, object]:
    return {name: _digest_of(name, part) for name, part in parts.items()}


def _digest_of(name: str, part: object) -> object:
    if name in _EACH and isinstance(part, dict):
        return {key: _sha256(member) for key, member in part.items()}
    return _sha256(part)


def _sha256(value: object) -> str:
    try:
        return hashlib.sha256(canonical_body({"": value})).hexdigest()
    except LedgerError:
        raise FlawError("it holds what canonical JSON cannot say") from None


def _parts(anchor: Anchor) -> dict[str, object]:
    """Return the anchor's parts: plain values, queries and tables by their names."""
    parts: dict[str, Any] = asdict(anchor)
    state = parts.pop("state")
    parts["coordinate"] = coordinate_to_dict(anchor.coordinate)
    parts["queries"] = {level.pop("query_id"): level for level in parts.pop("queries")}
    parts["tables"] = state.pop("tables")
    parts["state"] = state
    return json.loads(json.dumps(parts))  # type: ignore[no-any-return]  # tuples become lists, enumerations texts


def _anchor(parts: Mapping[str, Any]) -> Anchor:
    fields = dict(parts)
    coordinate = fields["coordinate"]
    fields["coordinate"] = (
        int(coordinate["time_ns"]),
        coordinate["wal_position"],
        coordinate["timeline"],
        coordinate["statistics_epoch"],
    )
    fields["queries"] = [{"query_id": query_id, **level} for query_id, level in fields["queries"].items()]
    fields["state"] = {**fields["state"], "tables": fields.pop("tables")}
    return _adapter().validate_python(fields)


@cache
def _adapter() -> TypeAdapter[Anchor]:
    from pydantic import TypeAdapter

    return TypeAdapter(Anchor)
