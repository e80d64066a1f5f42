"""What a ledger entry is: its kinds, its canonical bytes and its hash. Values and pure functions; no file is touched.

Bodies are canonical JSON (RFC 8785): numbers are IEEE doubles, so a whole float reads back as an int (1.0 as 1), and an
int beyond 2**53 - 1 is refused: write it as a string.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trimtab.errors import LedgerError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

GENESIS = "0" * 64
LARGEST_INT = 2**53 - 1
MAX_DEPTH = 32


class Kind(StrEnum):
    """What an entry tells. The set is closed: a new kind is a new schema version of the file."""

    RUN_STARTED = "run_started"
    STRATEGY_PROPOSED = "strategy_proposed"
    STRATEGY_VALIDATED = "strategy_validated"
    STRATEGY_PREDICTED = "strategy_predicted"
    TRIAL_FINISHED = "trial_finished"
    APPLY_INTENDED = "apply_intended"
    APPLY_DONE = "apply_done"
    APPLY_FAILED = "apply_failed"
    REVERT_INTENDED = "revert_intended"
    REVERT_DONE = "revert_done"
    REVERT_FAILED = "revert_failed"
    ANCHOR_RECORDED = "anchor_recorded"
    ANCHOR_ACCEPTED = "anchor_accepted"
    ANCHOR_RELEASED = "anchor_released"
    LEASE_NOTED = "lease_noted"
    WATCH_ALARMED = "watch_alarmed"
    WATCH_EXPLAINED = "watch_explained"
    GUARD_NOTED = "guard_noted"
    SECURITY_BASELINED = "security_baselined"
    SECURITY_COMPARED = "security_compared"
    CHANGES_FROZEN = "changes_frozen"
    CHANGES_THAWED = "changes_thawed"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_GIVEN = "approval_given"
    APPROVAL_REJECTED = "approval_rejected"
    BACKEND_INTENDED = "backend_intended"
    BACKEND_DONE = "backend_done"
    BACKEND_FAILED = "backend_failed"
    STRATEGY_SETTLED = "strategy_settled"
    RUN_FINISHED = "run_finished"
    RUN_FAILED = "run_failed"
    RECONCILED = "reconciled"
    WAIVER_NOTED = "waiver_noted"
    BUNDLE_NOTED = "bundle_noted"
    DEFINITIONS_ERASED = "definitions_erased"
    LEDGER_KEY_SET = "ledger_key_set"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `seq` counts from 1; `at_ns` is UTC nanoseconds and never before the entry that precedes it.

    `hash` is the SHA-256, in hexadecimal, of the canonical JSON of all the other fields (`at_ns` as a string);
    `prev_hash` is the hash of the entry before, or 64 zeros for the first.
    """

    seq: int
    at_ns: int
    kind: Kind
    run_id: str | None
    body: Mapping[str, Json]
    prev_hash: str
    hash: str

    def text(self, key: str) -> str:
        """Return the body's string under `key`. Raises LedgerError `ledger.layout` when there is none."""
        value = self.body.get(key)
        if not isinstance(value, str):
            raise self.layout_error(key)
        return value

    def number(self, key: str) -> int | None:
        """Return the body's whole number under `key`, or None when there is none."""
        value = self.body.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def mapping(self, key: str) -> Mapping[str, Json]:
        """Return the body's object under `key`. Raises LedgerError `ledger.layout` when there is none."""
        value = self.body.get(key)
        if not isinstance(value, dict):
            raise self.layout_error(key)
        return value

    def layout_error(self, key: str) -> LedgerError:
        """Return the error that says that the body lacks what its kind promises."""
        return LedgerError(
            f"entry {self.seq} ({self.kind.value}) has no usable {key!r} in its body",
            code="ledger.layout",
            next_step="The entry was written by another version of Trimtab; use that version to finish its run.",
        )


def canonical_body(body: Mapping[str, object]) -> bytes:
    """Return the body as canonical JSON. Raises LedgerError `ledger.body` for what RFC 8785 cannot write.

    Any mapping, list or tuple is taken, nested no deeper than 32; a NaN, an infinity, an int beyond 2**53 - 1 or a lone
    surrogate is not.
    """
    try:
        return _canonical(_plain(body, 0))
    except ValueError as error:
        raise LedgerError(
            f"an entry was refused: its body is not canonical JSON ({type(error).__name__})",
            code="ledger.body",
            next_step="Write integers beyond 2**53 - 1 as strings, and only finite numbers, texts, lists and objects.",
        ) from None


def parse_body(canonical: bytes) -> dict[str, Json]:
    """Return the body that `canonical_body` wrote. Raises ValueError when the bytes are not exactly its work."""
    try:
        text = canonical.decode("utf-8")
        body = _READER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(body, dict):
        raise ValueError("not an object")
    is_shallow = text.count("{") + text.count("[") <= MAX_DEPTH
    if is_shallow and _is_plain(text) and _dumped(body) == text:
        return body
    try:
        is_canonical = canonical_body(body) == canonical
    except LedgerError:
        is_canonical = False
    if not is_canonical:
        raise ValueError("not canonical JSON")
    return body


def canonical_entry(seq: int, at_ns: int, kind: str, run_id: str | None, body: bytes, prev_hash: str) -> bytes:
    """Return the entry as canonical JSON. `body` is canonical already and set in whole, so that it is written once."""
    return b'{"at_ns":"%d","body":%b,"kind":%b,"prev_hash":%b,"run_id":%b,"seq":%d}' % (
        at_ns,
        body,
        _dumped(kind).encode(),
        _dumped(prev_hash).encode(),
        b"null" if run_id is None else _dumped(run_id).encode(),
        seq,
    )


def entry_hash(canonical: bytes) -> str:
    """Return the hash that the next entry holds of one whose canonical JSON this is."""
    return hashlib.sha256(canonical).hexdigest()


def _plain(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a key is no text")
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return value


def _canonical(value: object) -> bytes:
    """Write by Python's own writer, which is much faster, where the two write the same. Raises ValueError."""
    try:
        text = _dumped(value)
        if _is_plain(text):
            return text.encode()
    except (TypeError, ValueError):
        pass  # RFC 8785 has no such value either, and says so.
    import rfc8785

    return rfc8785.dumps(value)  # type: ignore[arg-type]


def _is_plain(text: str) -> bool:
    """Return True where what Python's own writer wrote, of keys that are texts, is what RFC 8785 wants.

    Both order keys alike while no character is beyond U+FFFF, and write all but some numbers alike.
    """
    is_ordered = text.isascii() or max(text) <= "\uffff"
    return is_ordered and "NaN" not in text and "Infinity" not in text and _DOUBTFUL_NUMBER.search(text) is None


def _number(digits: str) -> int | float:
    """RFC 8785 writes the double 1e17 as an integer: beyond the safe integers it is a float, as it was."""
    value = int(digits)
    return value if abs(value) <= LARGEST_INT else float(digits)


# Made once: to make them takes longer than to read or write an entry by them.
_READER = json.JSONDecoder(parse_int=_number)
_dumped = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
_SCALARS = (str, int, float)
_DOUBTFUL_NUMBER = re.compile(r"[:\[,]-?[0-9]+(?:(?<=[0-9]{16})|\.0+|(?:\.[0-9]+)?[eE][-+]?[0-9]+)(?=[,\]}])")
"""What Python may write and RFC 8785 would not: ints beyond 2**53 - 1, whole floats (1.0), and exponents.

A time of day in a text is none of them: what follows its seconds ends no number.
"""
