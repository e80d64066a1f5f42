"""Signed envelopes in DSSE's form (Dead Simple Signing Envelope v1): a payload, its type, and both signatures.

The Ed25519 signature is DSSE's own; that of ML-DSA-65 is over the same bytes, bound by FIPS 204's context string.
Decides whether both hold, and nothing about what the payload says.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from trimtab.signing.keys import PublicKey, SigningKey
from trimtab.signing.signature import ED25519, ML_DSA_65

PURPOSE = b"trimtab.dev/envelope/v1"


class EnvelopeFlawError(ValueError):
    """What is wrong with an envelope, in words. Never quotes it."""


def sealed(payload: bytes, payload_type: str, key: SigningKey) -> dict[str, object]:
    """Return the envelope, as its JSON document."""
    message = _encoded(payload_type, payload)
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            _told(key.public, ED25519, key.ed25519.sign(message)),
            _told(key.public, ML_DSA_65, key.ml_dsa_65.sign(message, PURPOSE)),
        ],
    }


def opened(envelope: Mapping[str, object], payload_type: str, known: Sequence[PublicKey]) -> tuple[bytes, PublicKey]:
    """Return the payload and the known signer whose two signatures both hold. Raises EnvelopeFlawError."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

    if envelope.get("payloadType") != payload_type:
        raise EnvelopeFlawError(f"it is not of the type {payload_type}")
    payload = _bytes(envelope.get("payload"))
    message = _encoded(payload_type, payload)
    given = envelope.get("signatures")
    signatures = {
        each.get("keyid"): _bytes(each.get("sig"))
        for each in (given if isinstance(given, list) else [])
        if isinstance(each, dict)
    }
    for key in known:
        classic, quantum = (signatures.get(_key_id(key, algorithm)) for algorithm in (ED25519, ML_DSA_65))
        if classic is None and quantum is None:
            continue
        if classic is None or quantum is None:
            raise EnvelopeFlawError(f"it does not carry one signature of each kind, {ED25519} and {ML_DSA_65}")
        try:
            Ed25519PublicKey.from_public_bytes(key.ed25519).verify(classic, message)
        except InvalidSignature:
            raise EnvelopeFlawError(f"its {ED25519} signature does not hold") from None
        try:
            MLDSA65PublicKey.from_public_bytes(key.ml_dsa_65).verify(quantum, message, PURPOSE)
        except InvalidSignature:
            raise EnvelopeFlawError(f"its {ML_DSA_65} signature does not hold") from None
        return payload, key
    raise EnvelopeFlawError("its signer is not known here")


def _encoded(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, which both signatures are over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _told(public: PublicKey, algorithm: str, signature: bytes) -> dict[str, str]:
    return {"keyid": _key_id(public, algorithm), "sig": base64.b64encode(signature).decode()}


def _key_id(public: PublicKey, algorithm: str) -> str:
    return f"{public.id}:{algorithm}"


def _bytes(value: object) -> bytes:
    try:
        raw = base64.b64decode(str(value), validate=True)
    except ValueError:
        raw = b""
    if not isinstance(value, str) or base64.b64encode(raw).decode() != value:
        raise EnvelopeFlawError("a part of it is not base64")
    return raw
