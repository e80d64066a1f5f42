"""A ledger as JSON lines, to be verified anywhere: a heading, each entry as the canonical JSON that its hash is of, and
each checkpoint after the last entry that it is of.

Reading decides nothing of what the lines say: it gives rows and notes to `verification.py`, which does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.ledger.chain import BrokenRowError, Row, row_bytes
from trimtab.ledger.entry import canonical_body, entry_hash

FORMAT = "trimtab.ledger.export/v1"
_FIELDS = frozenset({"at_ns", "body", "kind", "prev_hash", "run_id", "seq"})


class ExportFlawError(ValueError):
    """What is wrong with an export before its entries are verified: at which entry, and what."""

    def __init__(self, first_bad: int, found: str) -> None:
        super().__init__(found)
        self.first_bad = first_bad


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds, before anything is believed."""

    origin: str
    head: str
    rows: tuple[Row, ...]
    notes: tuple[tuple[int, str], ...]


def export_lines(origin: str, head: str, rows: Iterable[Row], notes: Sequence[tuple[int, str]]) -> Iterator[bytes]:
    """Yield the lines of an export, each with its line end. Raises BrokenRowError for a row that is no entry."""
    known = tuple(rows)
    yield canonical_body({"format": FORMAT, "origin": origin, "entries": len(known), "head": head}) + b"\n"
    by_size = dict(notes)
    for row in known:
        yield row_bytes(row) + b"\n"
        if row.seq in by_size:
            yield canonical_body({"checkpoint": by_size[row.seq], "size": row.seq}) + b"\n"


def read_export(lines: Iterable[bytes]) -> Export:
    """Return what the lines hold. Raises ExportFlawError at the first line that is none of an export."""
    given = iter(lines)
    heading = _line(next(given, b""), 1)
    origin, entries, head = heading.get("origin"), heading.get("entries"), heading.get("head")
    is_ours = heading.get("format") == FORMAT and isinstance(entries, int)
    if not is_ours or not isinstance(origin, str) or not isinstance(head, str):
        raise ExportFlawError(1, "it is no export of a ledger")
    rows: list[Row] = []
    notes: list[tuple[int, str]] = []
    for line in given:
        document = _line(line, len(rows) + 1)
        size, note = document.get("size"), document.get("checkpoint")
        if document.keys() == {"checkpoint", "size"} and isinstance(size, int) and isinstance(note, str):
            notes.append((size, note))
        else:
            if len(rows) == entries:
                raise ExportFlawError(len(rows) + 1, f"it holds more than the {entries} entries that its heading says")
            rows.append(_row(document, line[:-1], len(rows) + 1))
    if len(rows) != entries:
        raise ExportFlawError(len(rows) + 1, f"it holds {len(rows)} entries, and its heading says {entries}")
    if rows and (rows[-1].hash or b"").decode() != head:
        raise ExportFlawError(len(rows), "its last entry is not the one that its heading names")
    return Export(origin, head, tuple(rows), tuple(notes))


def entry_document(row: Row) -> dict[str, object]:
    """Return the entry as its canonical JSON has it. Raises BrokenRowError for a row that is no entry."""
    return dict(json.loads(row_bytes(row)))


def _line(line: bytes, seq: int) -> Mapping[str, object]:
    try:
        document = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ExportFlawError(seq, "its line is no JSON object")
    return document


def _row(document: Mapping[str, object], canonical: bytes, expected: int) -> Row:
    """The hash is that of the line: whether it is the one that was written, the next entry and the tree say.

    The body is taken out of the line as it stands there; that it is canonical is part of the entry's verification.
    """
    seq, at_ns, kind = document.get("seq"), document.get("at_ns"), document.get("kind")
    run_id, prev_hash = document.get("run_id"), document.get("prev_hash")
    texts = isinstance(at_ns, str) and isinstance(kind, str) and isinstance(prev_hash, str)
    is_named = run_id is None or isinstance(run_id, str)
    if document.keys() != _FIELDS or not texts or not is_named or not isinstance(seq, int):
        raise ExportFlawError(expected, "its line does not have the fields of an entry")
    row = Row(
        seq=seq,
        at_ns=_encoded(at_ns),
        kind=_encoded(kind),
        run_id=None if run_id is None else _encoded(run_id),
        body=b"",
        prev_hash=_encoded(prev_hash),
        hash=entry_hash(canonical).encode(),
    )
    try:
        before, _, after = row_bytes(row).partition(b'"body":')
    except (BrokenRowError, ValueError):
        raise ExportFlawError(expected, "its line does not have the fields of an entry") from None
    before += b'"body":'
    body = canonical[len(before) : len(canonical) - len(after)]
    if before + body + after != canonical:
        raise ExportFlawError(expected, "its line is not an entry's canonical JSON")
    return replace(row, body=body)


def _encoded(value: object) -> bytes:
    """A lone surrogate, which JSON can write and UTF-8 cannot, is in no entry."""
    return str(value).encode("utf-8", "replace")
