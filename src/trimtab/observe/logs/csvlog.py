"""Reads the records of a csvlog (PostgreSQL 13 and later), which go over several lines where a text does.

What looks like a record inside of a quoted text is not one. After a record that a crash cut off, reading goes on with
the next line that begins like one. Never raises for what is in a file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from trimtab.observe.logs.entry import LIMIT_BYTES, Entry, query_id_of
from trimtab.observe.logs.lines import Line
from trimtab.observe.logs.times import Times

_FIELD = rb'(?:"(?:[^"]++|"")*+"|[^",]*+)'
# By their places; those without a name are not read.
_COLUMNS = {0: "time", 1: "role", 2: "database", 5: "session", 11: "severity", 12: "sqlstate", 13: "message"}
_COLUMNS |= {14: "detail", 18: "context", 19: "statement", 23: "backend"}
_LATER_COLUMNS = {1: "query"}


def _columns(names: dict[int, str]) -> bytes:
    named = {place: b"(?P<" + name.encode() + b">" + _FIELD + b")" for place, name in names.items()}
    return b",".join(named.get(place, _FIELD) for place in range(max(names) + 1))


_RECORD = re.compile(_columns(_COLUMNS) + b"(?:," + _columns(_LATER_COLUMNS) + b"(?:," + _FIELD + rb")*+)?\r?")
_BEGINNING = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^\s,]{1,40},")
# Each new beginning in a damaged record makes its lines be read again.
_MOST_BEGINNINGS = 50


class CsvEntries:
    """A Decoder of one csvlog."""

    def __init__(self, times: Times, left_out: Counter[str], start: int = 0) -> None:
        self.left_out, self.complete = left_out, start
        self._times = times
        self._lines: list[Line] = []
        self._bytes = 0
        self._is_quoted = self._is_too_long = False

    def feed(self, line: Line) -> Iterator[Entry]:
        """Yield the record's entry, if the line ends one."""
        yield from self._feed(line, _MOST_BEGINNINGS)

    def end(self, tail: bytes = b"") -> Iterator[Entry]:
        """Yield the entries that stand behind a record without an end, and count that one."""
        self.left_out["truncated"] += bool(tail) and not self._lines
        if self._lines or self._is_too_long:
            self.left_out["truncated"] += not self._is_too_long
            lines, self._lines = self._lines, []
            self._is_quoted = self._is_too_long = False
            yield from self._again(lines, _MOST_BEGINNINGS)
        # What is open again, is without an end too.
        self.left_out["truncated"] += bool(self._lines)
        self._lines, self._is_quoted, self._is_too_long = [], False, False

    def _feed(self, line: Line, beginnings: int) -> Iterator[Entry]:
        quotes = line.content.count(b'"') + (line.dropped_quotes or 0)
        self._is_quoted ^= bool(quotes & 1)
        if not self._is_too_long:
            self._bytes = self._bytes + len(line.content) if self._lines else len(line.content)
            self._lines.append(line)
            if line.dropped_quotes is not None or self._bytes > LIMIT_BYTES:
                self.left_out["too_long"] += 1
                self._lines, self._is_too_long = [], True
        if self._is_quoted:
            return
        self.complete = line.end
        if self._is_too_long:
            self._is_too_long = False
            return
        lines, self._lines = self._lines, []
        record = lines[0].content if len(lines) == 1 else b"\n".join(part.content for part in lines)
        entry = self._entry(record)
        if entry is not None:
            yield entry
        elif record.strip():
            self.left_out["damaged"] += 1
            yield from self._again(lines, beginnings)

    def _again(self, lines: list[Line], beginnings: int) -> Iterator[Entry]:
        """Read from the next line on that begins like a record, the first being none."""
        if beginnings == 0:
            return
        starts = (number for number, line in enumerate(lines) if number and _BEGINNING.match(line.content))
        first = next(starts, len(lines))
        for line in lines[first:]:
            yield from self._feed(line, beginnings - 1)

    def _entry(self, record: bytes) -> Entry | None:
        found = _RECORD.fullmatch(record)
        if found is None or not found["severity"] or not found["message"]:
            return None
        return Entry(
            time_ns=self._times.read(_text(found["time"])),
            session=_text(found["session"]) or None,
            database=_text(found["database"]) or None,
            role=_text(found["role"]) or None,
            server_query_id=query_id_of(found["query"] or 0),
            severity=_text(found["severity"]),
            sqlstate=_text(found["sqlstate"]),
            message=_text(found["message"]),
            detail=_text(found["detail"]),
            statement=_text(found["statement"]),
            is_nested=bool(found["context"]),
            is_worker=found["backend"] == b'"parallel worker"',
        )


def _text(field: bytes) -> str:
    if field.startswith(b'"'):
        field = field[1:-1].replace(b'""', b'"')
    return field.decode(errors="replace")
