"""Turns a log_line_prefix into what reads the beginning of a line: time, session, role, database and the rest.

Where a name in the prefix (an application may call itself as it likes) could be read in two ways, neither is believed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trimtab.errors import UsageError
from trimtab.observe.logs.entry import query_id_of
from trimtab.observe.logs.times import Times, epoch_ns

_ESCAPE = re.compile(r"%(?P<padding>-?\d{0,3})(?P<letter>[A-Za-z%])|(?P<text>[^%]+|%)")
_STAMP = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})? \S{1,40}?"
# Names have at most 63 bytes; in an application's, PostgreSQL 16 and later write four characters for a strange one.
_NAME, _LONG = rb".{0,63}", rb".{0,255}"
# What each letter writes, and the name of its group where it is used. Free text is lazy or greedy, to be compared.
_FORMS: dict[str, tuple[str, bytes]] = {
    "m": ("time", _STAMP),
    "t": ("time", _STAMP),
    "n": ("epoch", rb"\d{1,12}\.\d{3}"),
    "p": ("pid", rb"\d{1,10}"),
    "c": ("session", rb"[0-9a-f]{1,16}\.[0-9a-f]{1,16}"),
    "u": ("role", _NAME),
    "d": ("database", _NAME),
    "Q": ("query", rb"-?\d{0,20}"),
    "e": ("sqlstate", rb"[0-9A-Z]{5}"),
    "b": ("backend", rb"[\w /\[\]-]{0,63}"),
    "a": ("", _LONG),
    "r": ("", rb"[^ ]{0,255}"),
    "h": ("", rb"[^ ]{0,255}"),
    "L": ("", rb"[^ ]{0,255}"),
    "P": ("leader", rb"\d{0,10}"),
    "l": ("", rb"\d{1,20}"),
    "s": ("", _STAMP),
    "v": ("", rb"[\d/-]{0,40}"),
    "x": ("", rb"\d{0,20}"),
    "i": ("", _NAME),
}
_FREE = frozenset("uadirhLb")
# In other languages the word has letters beyond ASCII; two blanks always follow the colon.
_LETTERS = rb"[A-Z\x80-\xff][A-Za-z0-9\x80-\xff]{1,40}"
_WORD = rb"(?P<severity>" + _LETTERS + rb") ?:  "
_ANY_WORD = re.compile(_LETTERS + rb" ?:  ")
# Severities are in capitals where a language has any; other programs write one blank, or pad with more than two.
_MESSAGE = re.compile(rb"(?<![A-Za-z0-9])[A-Z\x80-\xff]{2,40} ?:  (?! )")
_UNKNOWN = (None, "", "[unknown]")


class Start(NamedTuple):
    """The beginning of a line: what its prefix says, the word before the message, and where the message begins."""

    time_ns: int | None
    session: str | None
    database: str | None
    role: str | None
    server_query_id: int | None
    sqlstate: str | None
    is_worker: bool
    severity: str
    end: int


def is_message(line: bytes) -> bool:
    """Return whether a line looks like a server's message, whatever prefix it was written with."""
    return _MESSAGE.search(line) is not None


class Prefix:
    """Reads the beginnings of lines that were written with one log_line_prefix; `times` reads their times."""

    def __init__(self, log_line_prefix: str, times: Times) -> None:
        """Raises UsageError `logs.no_time` when the prefix tells no time."""
        letters = [found["letter"] for found in _ESCAPE.finditer(log_line_prefix) if found["letter"]]
        if not {"m", "t", "n"} & set(letters):
            raise UsageError(
                "the log is refused: its log_line_prefix tells no time",
                code="logs.no_time",
                next_step="Put %m into log_line_prefix, or log as csvlog or jsonlog (log_destination).",
            )
        self._times = times
        self._lazy = re.compile(_pattern(log_line_prefix, b"?"), re.DOTALL)
        self._greedy = re.compile(_pattern(log_line_prefix, b""), re.DOTALL) if _FREE & set(letters) else None

    def match(self, line: bytes) -> Start | None:
        """Return how a line begins, or None for one without the prefix. `end` is -1 where it could be read in two."""
        found = self._lazy.match(line)
        if found is None:
            return None
        start, end = found.span("severity")[0], found.end()
        if self._greedy is not None and _ANY_WORD.search(line, end) is not None:
            again = self._greedy.match(line)
            if again is None or again.span("severity")[0] != start:
                end = -1
        return self._start(found.groupdict(), end)

    def _start(self, fields: dict[str, bytes | None], end: int) -> Start:
        said = {name: value.decode(errors="replace").strip(" ") for name, value in fields.items() if value is not None}
        session, pid = said.get("session"), said.get("pid")
        return Start(
            time_ns=epoch_ns(said["epoch"]) if "epoch" in said else self._times.read(said.get("time", "")),
            session=session or pid,
            database=None if said.get("database") in _UNKNOWN else said["database"],
            role=None if said.get("role") in _UNKNOWN else said["role"],
            server_query_id=query_id_of(said.get("query", "")),
            sqlstate=said.get("sqlstate"),
            is_worker=said.get("backend") == "parallel worker" or bool(said.get("leader")),
            severity=said["severity"],
            end=end,
        )


def _pattern(log_line_prefix: str, laziness: bytes) -> bytes:
    parts: list[bytes] = []
    named: set[str] = set()
    is_optional = False
    for found in _ESCAPE.finditer(log_line_prefix):
        letter = found["letter"]
        if letter == "q":
            # What is no session writes nothing from here on.
            if not is_optional:
                parts.append(b"(?:")
            is_optional = True
        elif letter == "%" or found["text"]:
            parts.append(re.escape("%" if letter == "%" else found["text"]).encode())
        elif letter in _FORMS:
            parts.append(_field(letter, bool(found["padding"]), named, laziness))
    return b"".join(parts) + (b")?" if is_optional else b"") + _WORD


def _field(letter: str, is_padded: bool, named: set[str], laziness: bytes) -> bytes:
    name, form = _FORMS[letter]
    form = form + laziness if letter in _FREE else form
    if name and name not in named:
        named.add(name)
        form = b"(?P<" + name.encode() + b">" + form + b")"
    else:
        form = b"(?:" + form + b")"
    # A padded field is all blanks where there is nothing to tell.
    return rb" {0,999}(?:" + form + rb") {0,999}" if is_padded else form
