"""Reads the lines of a plain log, written with a log_line_prefix: messages, and below them DETAIL and STATEMENT.

PostgreSQL puts a tab before each line of a text but its first, so that no text can look like a new message. Never
raises for what is in a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from trimtab.observe.logs.entry import LIMIT_BYTES, Entry
from trimtab.observe.logs.lines import Line
from trimtab.observe.logs.prefix import Prefix, Start, is_message

_BELOW = frozenset({"DETAIL", "HINT", "QUERY", "CONTEXT", "LOCATION", "BACKTRACE", "STATEMENT"})


class PlainEntries:
    """A Decoder of one plain log."""

    def __init__(self, prefix: Prefix, left_out: Counter[str], start: int = 0) -> None:
        self.left_out, self.complete = left_out, start
        self._prefix = prefix
        self._start: Start | None = None
        self._texts: dict[str, list[bytes]] = {}
        self._current: list[bytes] | None = None
        self._bytes = 0
        self._reached = start

    def feed(self, line: Line) -> Iterator[Entry]:
        """Yield the entry before, if this line begins another one."""
        if line.content.startswith(b"\t"):
            self._add(line.content[1:], line)
        else:
            start = self._prefix.match(line.content)
            if start is not None and start.severity in _BELOW:
                self._below(start, line)
            else:
                yield from self.end()
                self._begin(start, line)
        self._reached = line.end

    def end(self, tail: bytes = b"") -> Iterator[Entry]:
        """Yield the entry that is open, unless the tail may be a part of it."""
        if tail:
            start = self._prefix.match(tail)
            if self._start is not None and (start is None or start.severity in _BELOW):
                self._start = None
            else:
                self.complete = self._reached
            self.left_out["truncated"] += 1
            if self._start is None:
                return
        start, texts = self._start, self._texts
        self._start, self._texts, self._current = None, {}, None
        self.complete = self._reached
        if start is not None:
            yield Entry(
                time_ns=start.time_ns,
                session=start.session,
                database=start.database,
                role=start.role,
                server_query_id=start.server_query_id,
                severity=start.severity,
                sqlstate=start.sqlstate,
                message=_text(texts.get("")),
                detail=_text(texts.get("DETAIL")),
                statement=_text(texts.get("STATEMENT")),
                is_nested="CONTEXT" in texts,
                is_worker=start.is_worker,
            )

    def _begin(self, start: Start | None, line: Line) -> None:
        if start is None:
            if line.content.strip():
                self.left_out["other_prefix" if is_message(line.content) else "unprefixed"] += 1
        elif start.end < 0:
            self.left_out["ambiguous"] += 1
        else:
            self._start, self._bytes = start, 0
            self._current = self._texts.setdefault("", [])
            self._add(line.content[start.end :], line)

    def _below(self, start: Start, line: Line) -> None:
        """What stands below a message that is not told is of no use, and was counted with it."""
        if self._start is None or start.session != self._start.session:
            self._current = None
            return
        if start.end < 0:
            self._drop("ambiguous")
            return
        self._current = self._texts.setdefault(start.severity, [])
        self._add(line.content[start.end :], line)

    def _add(self, content: bytes, line: Line) -> None:
        if self._start is None or self._current is None:
            return
        self._bytes += len(content)
        if line.dropped_quotes is not None or self._bytes > LIMIT_BYTES:
            self._drop("too_long")
        else:
            self._current.append(content)

    def _drop(self, reason: str) -> None:
        self.left_out[reason] += 1
        self._start, self._texts, self._current = None, {}, None


def _text(lines: list[bytes] | None) -> str:
    if not lines:
        return ""
    return b"\n".join(line.removesuffix(b"\r") for line in lines).decode(errors="replace")
