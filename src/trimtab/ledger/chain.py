"""Reads a stored row as an entry, and says whether it is one and follows the one before. Pure: a row in, an entry out.

A lone chain proves that nothing in it was changed, left out or swapped. That its tail was cut off, or that it was
computed anew as a whole, is found by what was seen of it before: `verification.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trimtab.ledger.entry import Entry, Kind, canonical_entry, entry_hash, parse_body

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


class BrokenRowError(ValueError):
    """A row that is no entry: its fields cannot be read, or do not agree with its hash. Never quotes them."""


def read_entry(row: Row) -> Entry:
    """Return the entry that the row holds. Raises BrokenRowError when its own fields and hash do not agree."""
    return read_whole(row)[0]


def read_whole(row: Row) -> tuple[Entry, bytes]:
    """Return the entry that the row holds, and its canonical JSON. Raises BrokenRowError as `read_entry` does."""
    try:
        return _read(row)
    except BrokenRowError:
        raise
    except ValueError:
        raise BrokenRowError("it cannot be read") from None


def row_bytes(row: Row) -> bytes:
    """Return the canonical JSON that a row stands for, its body as it is. Raises BrokenRowError when it has none."""
    if row.at_ns is None or row.kind is None or row.body is None or row.prev_hash is None or row.hash is None:
        raise BrokenRowError("a field is missing")
    if _NATURAL.fullmatch(row.at_ns) is None:
        raise BrokenRowError("its time is not a number")
    run_id = None if row.run_id is None else row.run_id.decode()
    return canonical_entry(row.seq, int(row.at_ns), row.kind.decode(), run_id, row.body, row.prev_hash.decode())


def follows(row: Row, expected: int, prev_hash: str, at_ns: int) -> str | tuple[Entry, bytes]:
    """Return the entry and its canonical JSON when it belongs after that one; else what is wrong with it."""
    if row.seq != expected:
        return "the entry is missing" if row.seq > expected else "the entry does not belong there"
    try:
        entry, canonical = read_whole(row)
    except BrokenRowError as error:
        return str(error)
    if entry.prev_hash != prev_hash:
        return "it does not follow the entry before it"
    if entry.at_ns < at_ns:
        return "its time is before that of the entry before it"
    return entry, canonical


def _read(row: Row) -> tuple[Entry, bytes]:
    canonical = row_bytes(row)
    assert row.at_ns is not None
    assert row.kind is not None
    assert row.body is not None
    assert row.prev_hash is not None
    assert row.hash is not None
    stored_hash = row.hash.decode()
    if stored_hash != entry_hash(canonical):
        raise BrokenRowError("its hash does not match its content")
    run_id = None if row.run_id is None else row.run_id.decode()
    kind, prev_hash = Kind(row.kind.decode()), row.prev_hash.decode()
    entry = Entry(row.seq, int(row.at_ns), kind, run_id, parse_body(row.body), prev_hash, stored_hash)
    return entry, canonical
