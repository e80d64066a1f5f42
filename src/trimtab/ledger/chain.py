"""Says whether stored rows are an unbroken chain, and where it first breaks. Pure: rows in, a verdict out.

A lone chain proves that nothing in it was changed, left out or swapped. It cannot show that its tail was cut off, or
that it was replaced as a whole by one computed anew: for that, keep the head hash somewhere else and compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from trimtab.ledger.entry import GENESIS, Entry, Kind, entry_hash, parse_body

_NATURAL = re.compile(rb"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the file holds it, byte for byte, before anything is believed. None is SQL NULL."""

    seq: int
    at_ns: bytes | None
    kind: bytes | None
    run_id: bytes | None
    body: bytes | None
    prev_hash: bytes | None
    hash: bytes | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: how many entries there are, whether the chain holds, and the head's hash when it does.

    `first_bad` is the number of the first entry that is changed, missing or out of place, and `reason` says what is
    wrong with it.
    """

    entries: int
    verified: bool
    first_bad: int | None
    reason: str
    head: str


class BrokenRowError(ValueError):
    """A row that is no entry: its fields cannot be read, or do not agree with its hash. Never quotes them."""


def read_entry(row: Row) -> Entry:
    """Return the entry that the row holds. Raises BrokenRowError when its own fields and hash do not agree."""
    try:
        return _read(row)
    except BrokenRowError:
        raise
    except ValueError:
        raise BrokenRowError("it cannot be read") from None


def check(rows: Iterable[Row]) -> Verification:
    """Return whether the rows, in order of `seq`, are the chain that was written, and where not. Reads all of them."""
    count, expected, head, at_ns = 0, 1, GENESIS, 0
    first_bad: int | None = None
    reason = ""
    for row in rows:
        count += 1
        if first_bad is not None:
            continue
        flaw = _flaw(row, expected, head, at_ns)
        if isinstance(flaw, str):
            first_bad, reason = min(row.seq, expected), flaw
        else:
            expected, head, at_ns = expected + 1, flaw.hash, flaw.at_ns
    return Verification(count, first_bad is None, first_bad, reason, head if first_bad is None else "")


def _flaw(row: Row, expected: int, prev_hash: str, at_ns: int) -> str | Entry:
    if row.seq != expected:
        return "the entry is missing" if row.seq > expected else "the entry does not belong there"
    try:
        entry = read_entry(row)
    except BrokenRowError as error:
        return str(error)
    if entry.prev_hash != prev_hash:
        return "it does not follow the entry before it"
    if entry.at_ns < at_ns:
        return "its time is before that of the entry before it"
    return entry


def _read(row: Row) -> Entry:
    if row.at_ns is None or row.kind is None or row.body is None or row.prev_hash is None or row.hash is None:
        raise BrokenRowError("a field is missing")
    if _NATURAL.fullmatch(row.at_ns) is None:
        raise BrokenRowError("its time is not a number")
    at_ns = int(row.at_ns)
    kind, prev_hash, stored_hash = row.kind.decode(), row.prev_hash.decode(), row.hash.decode()
    run_id = None if row.run_id is None else row.run_id.decode()
    if stored_hash != entry_hash(row.seq, at_ns, kind, run_id, row.body, prev_hash):
        raise BrokenRowError("its hash does not match its content")
    return Entry(row.seq, at_ns, Kind(kind), run_id, parse_body(row.body), prev_hash, stored_hash)
