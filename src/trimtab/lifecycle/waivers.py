"""The waivers that hold here: signed documents in the state directory, verified anew each time that they are used.

One that is not signed by all whom it names, or is of a rule that nobody can let go, is refused, and changes nothing. So
is one that is older than what was in force, or was removed: of each id a mark stays, and never goes back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from trimtab.durable import read_plain_file
from trimtab.errors import SpecError
from trimtab.lifecycle.trust import (
    MAX_SIGNED_BYTES,
    claimed,
    envelope_of,
    is_signed_by,
    payload_of,
    read_signed,
    signature_error,
    trusted,
    write_document,
)
from trimtab.spec.specification import Specification
from trimtab.spec.waiver import Waiver, WaiverMark, read_waiver, refuse_rollback
from trimtab.validate.waiving import can_be_waived

_DIRECTORY, _MARKS = "waivers", "waiver-marks"


def verified(state: Path, path: Path) -> Waiver:
    """Return the waiver of a signed document, when everyone whom it names has signed it with a key trusted here.

    Raises SpecError `spec.signature`, `waiver.invalid`; KeyFileError.
    """
    return _verified(state, path, read_signed(path))[0]


def _verified(state: Path, path: Path, text: bytes) -> tuple[Waiver, str]:
    """Return the waiver of the bytes that were read at the path, and the SHA-256 of what was signed."""
    envelope = envelope_of(text, str(path))
    # Who must have signed stands in what is signed: read it first, believe it after.
    waiver = read_waiver(claimed(envelope, str(path)), str(path))
    keys = trusted(state, "waivers")
    for name in waiver.approvers:
        if name not in keys:
            raise signature_error(str(path), f"no key of {name}, who must sign it, is trusted here for waivers")
        if (flaw := keys[name].flaw) is not None:
            raise signature_error(str(path), f"the key of {name}, who must sign it, {flaw}")
        if not is_signed_by(envelope, keys[name].key):
            raise signature_error(str(path), f"{name}, who must sign it, has not, with the key that is trusted here")
    payload = payload_of(envelope, "waivers", [keys[name].key for name in waiver.approvers], name=str(path))
    return read_waiver(payload, str(path)), hashlib.sha256(payload).hexdigest()


def install(
    state: Path,
    path: Path,
    specification: Specification,
    now_unix: int,
    latest_unix: int | None = None,
    noted: Mapping[str, WaiverMark] | None = None,
) -> Waiver:
    """Take a waiver into force. `latest_unix` is the time of the ledger's last entry, and `noted` what it tells was in
    force of each id: a mark that was lost lets nothing in that is older, or was removed.

    Raises as `verified`, and SpecError `waiver.rule`, `waiver.expired`, `waiver.rollback`, `waiver.mark`.
    """
    text = read_signed(path)  # once: what is verified is what is taken, whatever the file becomes meanwhile
    waiver, digest = _verified(state, path, text)
    if not can_be_waived(waiver.rule, specification):
        raise SpecError(
            f"the waiver {waiver.id} was refused: {waiver.rule} is no rule of {specification.id} that can be let go",
            code="waiver.rule",
            next_step="Name a field of the specification, or one of its own rules; what protects data stays.",
        )
    if max(now_unix, latest_unix or 0) >= waiver.not_after_unix:
        raise SpecError(
            f"the waiver {waiver.id} was refused: it has expired",
            code="waiver.expired",
            next_step="Have a new one signed, if the reason still stands.",
        )
    refuse_rollback(waiver, digest, mark_of(state, waiver.id))
    refuse_rollback(waiver, digest, (noted or {}).get(waiver.id))
    # The mark is first: whatever dies then, nothing older is taken any more, and this one can be taken again.
    _write_mark(state, waiver.id, WaiverMark(waiver.revision, digest, is_removed=False))
    write_document(state / _DIRECTORY / f"{waiver.id}.json", text)
    return waiver


def remove(state: Path, waiver_id: str) -> bool:
    """Take a waiver out of force, for good: only a later revision can be taken again. Return whether there was one."""
    is_there = any(path.stem == waiver_id for path in (state / _DIRECTORY).glob("*.json"))
    if is_there:
        with suppress(SpecError):  # a mark that cannot be read lets nothing in either
            mark = mark_of(state, waiver_id)
            if mark is not None:
                _write_mark(state, waiver_id, replace(mark, is_removed=True))
        withdraw(state, waiver_id)
    return is_there


def withdraw(state: Path, waiver_id: str) -> None:
    """Undo the taking of a waiver into force; the same revision can be taken again."""
    (state / _DIRECTORY / f"{waiver_id}.json").unlink(missing_ok=True)


def installed(state: Path) -> tuple[Waiver, ...]:
    """Return the waivers of the state directory, expired ones as well. Raises SpecError for one that was altered.

    One that is older than what was in force, or was removed, by its mark, is none, however well it is signed.
    """
    found = (_verified(state, path, read_signed(path)) for path in sorted((state / _DIRECTORY).glob("*.json")))
    return tuple(waiver for waiver, digest in found if _is_marked(state, waiver, digest))


def _is_marked(state: Path, waiver: Waiver, digest: str) -> bool:
    """True for what is in force by its mark; without one that can be read nothing is."""
    try:
        mark = mark_of(state, waiver.id)
        refuse_rollback(waiver, digest, mark)
    except SpecError:
        return False
    return mark is not None


def mark_of(state: Path, waiver_id: str) -> WaiverMark | None:
    """Return the mark of what was in force of that id, None before the first. Raises SpecError `waiver.mark`."""
    path = _mark_file(state, waiver_id)
    try:
        held = json.loads(read_plain_file(path, MAX_SIGNED_BYTES))
        return WaiverMark(int(held["revision"]), str(held["digest"]), bool(held["is_removed"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise SpecError(
            f"what was in force of the waiver {waiver_id} cannot be read: {path}",
            code="waiver.mark",
            next_step="Restore it from a backup: without it an older or removed waiver could be taken again.",
        ) from None


def _write_mark(state: Path, waiver_id: str, mark: WaiverMark) -> None:
    write_document(_mark_file(state, waiver_id), json.dumps(asdict(mark)).encode())


def _mark_file(state: Path, waiver_id: str) -> Path:
    return state / _MARKS / f"{waiver_id}.json"
