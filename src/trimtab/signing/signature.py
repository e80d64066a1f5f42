"""Signs bytes with both keys of a signer, and says of signatures which is wrong, and why. Pure.

Both must hold: who breaks one kind of signature gains nothing. What is signed is bound to its purpose, so that a
signature on one kind of document is none on another.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

from trimtab.signing.keys import PublicKey, SigningKey

ED25519, ML_DSA_65 = "ed25519", "ml-dsa-65"
UNKNOWN = "is not known here"
"""How a flaw ends where the signer is not believed."""


def sign(message: bytes, key: SigningKey, *, purpose: str) -> list[dict[str, str]]:
    """Return the two signatures, as a document holds them."""
    bound = _bound(message, purpose)
    return [
        _told(ED25519, key, key.ed25519.sign(bound)),
        _told(ML_DSA_65, key, key.ml_dsa_65.sign(bound)),
    ]


def flaw_in(
    message: bytes, signatures: Sequence[Mapping[str, object]], known: Iterable[PublicKey], *, purpose: str
) -> str | None:
    """Return what is wrong with the signatures, None when both are there, hold, and are one known signer's."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

    if [signature.get("algorithm") for signature in signatures] != [ED25519, ML_DSA_65]:
        return f"it does not carry one signature of each kind, {ED25519} and {ML_DSA_65}"
    ids = {str(signature.get("key_id")) for signature in signatures}
    key = next((key for key in known if ids == {key.id}), None)
    if key is None:
        return f"its signer {' and '.join(sorted(ids))} {UNKNOWN}"
    bound = _bound(message, purpose)
    for signature, verify in zip(
        signatures,
        (
            Ed25519PublicKey.from_public_bytes(key.ed25519).verify,
            MLDSA65PublicKey.from_public_bytes(key.ml_dsa_65).verify,
        ),
        strict=True,
    ):
        try:
            verify(_decoded(str(signature.get("signature"))), bound)
        except (InvalidSignature, ValueError):
            return f"its {signature['algorithm']} signature does not hold"
        if set(signature) != {"algorithm", "key_id", "signature"}:
            return f"its {signature['algorithm']} signature has fields that are none of a signature"
    return None


def _told(algorithm: str, key: SigningKey, signature: bytes) -> dict[str, str]:
    return {
        "algorithm": algorithm,
        "key_id": key.public.id,
        "signature": base64.b64encode(signature).decode(),
    }


def _decoded(text: str) -> bytes:
    """Return the bytes; of the texts that stand for the same bytes one alone is taken. Raises ValueError."""
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError("not the canonical base64")
    return value


def _bound(message: bytes, purpose: str) -> bytes:
    return purpose.encode() + b"\0" + message
