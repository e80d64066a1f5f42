"""The waivers that hold here: signed documents in the state directory, verified anew each time that they are used.

One that is not signed by all whom it names, or is of a rule that nobody can let go, is refused, and changes nothing.
"""

from __future__ import annotations

import base64
from pathlib import Path

from trimtab.errors import SpecError
from trimtab.lifecycle.trust import payload_of, read_envelope, signature_error, trusted, write_document
from trimtab.spec.specification import Specification
from trimtab.spec.waiver import Waiver, read_waiver
from trimtab.validate.waiving import can_be_waived

_DIRECTORY = "waivers"


def verified(state: Path, path: Path) -> Waiver:
    """Return the waiver of a signed document, when everyone whom it names has signed it with a key trusted here.

    Raises SpecError `spec.signature`, `waiver.invalid`; KeyFileError.
    """
    envelope = read_envelope(path)
    # Who must have signed stands in what is signed: read it first, believe it after.
    claimed = read_waiver(_payload(envelope, path), str(path))
    keys = trusted(state, "waivers")
    missing = [name for name in claimed.approvers if name not in keys]
    if missing:
        raise signature_error(str(path), f"no key of {missing[0]}, who must sign it, is trusted here for waivers")
    payload = payload_of(envelope, "waivers", [keys[name] for name in claimed.approvers], name=str(path))
    return read_waiver(payload, str(path))


def install(state: Path, path: Path, specification: Specification, now_unix: int) -> Waiver:
    """Take a waiver into force. Raises as `verified`, and SpecError `waiver.rule`, `waiver.expired`."""
    waiver = verified(state, path)
    if not can_be_waived(waiver.rule, specification):
        raise SpecError(
            f"the waiver {waiver.id} was refused: {waiver.rule} is no rule of {specification.id} that can be let go",
            code="waiver.rule",
            next_step="Name a field of the specification, or one of its own rules; what protects data stays.",
        )
    if now_unix >= waiver.not_after_unix:
        raise SpecError(
            f"the waiver {waiver.id} was refused: it has expired",
            code="waiver.expired",
            next_step="Have a new one signed, if the reason still stands.",
        )
    write_document(state / _DIRECTORY / f"{waiver.id}.json", path.read_bytes())
    return waiver


def remove(state: Path, waiver_id: str) -> bool:
    """Take a waiver out of force; return whether there was one."""
    for path in (state / _DIRECTORY).glob("*.json"):
        if path.stem == waiver_id:
            path.unlink(missing_ok=True)
            return True
    return False


def installed(state: Path) -> tuple[Waiver, ...]:
    """Return the waivers of the state directory, expired ones as well. Raises SpecError for one that was altered."""
    return tuple(verified(state, path) for path in sorted((state / _DIRECTORY).glob("*.json")))


def _payload(envelope: dict[str, object], path: Path) -> bytes:
    try:
        return base64.b64decode(str(envelope.get("payload")), validate=True)
    except ValueError:
        raise signature_error(str(path), "it is no signed document") from None
