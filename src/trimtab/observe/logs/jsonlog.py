"""Reads the lines of a jsonlog (PostgreSQL 15 and later): one object a line. Never raises for what is in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from trimtab.observe.logs.entry import Entry, query_id_of
from trimtab.observe.logs.lines import Line
from trimtab.observe.logs.times import Times

_NO_ERROR = "00000"
_WHITESPACE = " \t\r\n"
_decode = json.JSONDecoder().raw_decode
_TEXTS = (
    "error_severity", "timestamp", "session_id", "dbname", "user", "state_code", "message", "detail", "statement",
    "context", "backend_type",
)  # fmt: skip


class JsonEntries:
    """A Decoder of one jsonlog."""

    def __init__(self, times: Times, left_out: Counter[str], start: int = 0) -> None:
        self.left_out, self.complete = left_out, start
        self._times = times

    def feed(self, line: Line) -> Iterator[Entry]:
        """Yield the line's entry."""
        self.complete = line.end
        if line.dropped_quotes is not None:
            self.left_out["too_long"] += 1
        elif line.content.strip():
            entry = self._entry(line.content)
            if entry is None:
                self.left_out["damaged"] += 1
            else:
                yield entry

    def end(self, tail: bytes = b"") -> Iterator[Entry]:
        """Yield nothing: an entry is one line, and a part of one is counted."""
        self.left_out["truncated"] += bool(tail)
        yield from ()

    def _entry(self, content: bytes) -> Entry | None:
        text = content.decode(errors="replace").strip(_WHITESPACE)
        try:
            told, end = _decode(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(told, dict) or end != len(text):
            return None
        severity, time, session, database, role, sqlstate, message, detail, statement, context, backend = [
            value if isinstance(value, str) else "" for value in map(told.get, _TEXTS)
        ]
        if not severity:
            return None
        return Entry(
            time_ns=self._times.read(time),
            session=session or None,
            database=database or None,
            role=role or None,
            server_query_id=query_id_of(told.get("query_id")),
            severity=severity,
            sqlstate=sqlstate or _NO_ERROR,
            message=message,
            detail=detail,
            statement=statement,
            is_nested=bool(context),
            is_worker=backend == "parallel worker",
        )
