"""Cuts a text into the pieces that psql would send: at semicolons, not inside quotes, comments or function bodies.

Works on tokens, so that a piece with a syntax error hides no other; a stray quote, which pairs with the quotes of later
pieces, ends with its line. Decides nothing about what a piece means.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from trimtab.db.parser import MAX_FILE_BYTES, Token, UnreadableSqlError, parse, tokens_of

# Each stray quote makes the rest be read again.
_MAX_READS = 100
# The rows after COPY ... FROM stdin, as psql and pg_dump have them, up to a line of their own with "\.".
_COPY_DATA = re.compile(
    rb"(?P<command>^[ \t]*copy\b[^;]*?\bfrom\s+stdin\b[^;]*;[^\n]*\n)(?P<rows>.*?^\\\.[ \t\r]*$)", re.I | re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece: its text, the comments before it, its first line (from 1), and why it cannot be a statement."""

    text: str
    leading_comment: str
    line: int
    danger: str | None = None
    reason: str = ""


def fragments(text: str) -> list[Fragment]:
    """Return the pieces of a text, in order. Raises UnreadableSqlError `sql.too_large` for a text past the limit."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    encoded = _COPY_DATA.sub(_without_rows, text.removeprefix("\ufeff").encode(errors="replace"))
    if len(encoded) > MAX_FILE_BYTES:
        raise UnreadableSqlError(
            f"the text has {len(encoded)} bytes, the limit is {MAX_FILE_BYTES}", code="sql.too_large"
        )
    found: list[Fragment] = []
    start = 0
    for _ in range(_MAX_READS):
        start, pieces = _from(encoded, start)
        found.extend(pieces)
        if start >= len(encoded):
            return found
    return [*found, _broken(encoded, start, len(encoded))]


def _without_rows(found: re.Match[bytes]) -> bytes:
    """Rows are no statements; their lines stay, empty, so that later ones keep their numbers."""
    return found["command"] + b"\n" * found["rows"].count(b"\n")


def _from(encoded: bytes, start: int) -> tuple[int, list[Fragment]]:
    """Cut from `start` on, up to the end or the first place where the tokens must be read anew."""
    try:
        return _cut(encoded, start, tokens_of(encoded[start:].decode()), len(encoded))
    except UnreadableSqlError as exc:
        return _up_to_open_quote(encoded, start, exc)


def _up_to_open_quote(encoded: bytes, start: int, error: UnreadableSqlError) -> tuple[int, list[Fragment]]:
    """What stands before the statement with the quote that never ends is good; that statement ends with its line.

    An open dollar quote or comment takes all the rest: what is inside of a function's body is no statement.
    """
    good = encoded[start : start + (error.offset or 0)]
    try:
        tokens = tokens_of(good.decode(errors="ignore"))
    except UnreadableSqlError:
        tokens = []
    reached, pieces = _cut(encoded, start, tokens, start + len(good))
    if reached != start + len(good):
        return reached, pieces
    ends = [token.end for token in tokens if token.kind == ";"]
    first = start + (ends[-1] if ends else 0)
    _, pieces = _cut(encoded, start, [token for token in tokens if start + token.start < first], first)
    is_body = not error.is_open_quote or _holds_a_body([token for token in tokens if start + token.start >= first])
    end = len(encoded) if is_body else _end_of_broken(encoded, first)
    pieces.append(_broken(encoded, first, end))
    return end, pieces


def _broken(encoded: bytes, first: int, end: int) -> Fragment:
    text = encoded[first:end]
    line = _line(encoded, first + len(text) - len(text.lstrip()))
    reason = f"a quote, from line {line} on, is never closed"
    return Fragment(text.decode().strip(), "", line, "sql.syntax", reason)


def _end_of_broken(encoded: bytes, first: int) -> int:
    """Return the end of the first line, from `first` on, that ends with a semicolon."""
    place = first
    while place < len(encoded):
        end = _end_of_line(encoded, place)
        if encoded[place:end].rstrip().endswith(b";") and encoded[first:end].strip(b"; \t\r\n"):
            return end
        place = end
    return len(encoded)


def _end_of_stray_quote(encoded: bytes, start: int, piece: list[Token]) -> int | None:
    """Return where a piece really ends whose quotes are paired wrongly: it is no SQL, and a "string" ends a line with
    a semicolon. None for any other piece.
    """
    strings = [encoded[start + t.start : start + t.end] for t in piece if t.kind == "SCONST"]
    if not any(re.search(rb";[ \t\r]*\n", string) and string.startswith(b"'") for string in strings):
        return None
    first = start + next(token.start for token in piece if not token.is_comment)
    if _holds_a_body(piece):
        return None
    try:
        parse(encoded[first : start + piece[-1].end].decode())
    except UnreadableSqlError as exc:
        return _end_of_broken(encoded, first) if exc.code == "sql.syntax" else None
    return None


def _holds_a_body(piece: list[Token]) -> bool:
    """True when the quoted text may be a function's body: what stands in there is no statement of the workload."""
    return next((token.kind for token in piece if not token.is_comment), "") in ("CREATE", "DO", "COMMENT")


def _cut(encoded: bytes, start: int, tokens: list[Token], end: int) -> tuple[int, list[Fragment]]:
    """Cut at the tokens, which count from `start` and reach to `end`.

    Return the pieces and the place that they reach: `end`, or where the tokens must be read anew.
    """
    found: list[Fragment] = []
    piece: list[Token] = []
    skipped_to = 0
    for token, is_end in _ends(tokens):
        if not is_end:
            piece.append(token)
            if start + token.end <= skipped_to:
                piece = []
            elif start + token.start < skipped_to:
                # A quote that opens in psql's command and goes on after its line: what follows was misread.
                return skipped_to, found
            if _opens_meta_command(piece):
                skipped_to = _end_of_line(encoded, start + token.start)
                found.append(_meta_command(encoded, start + token.start, skipped_to))
                piece = []
            if token is not tokens[-1]:
                continue
        end_of_broken = _end_of_stray_quote(encoded, start, piece)
        if end_of_broken is not None:
            first = start + next(token.start for token in piece if not token.is_comment)
            return end_of_broken, [*found, _broken(encoded, first, end_of_broken)]
        found.extend(_fragment(encoded, start, piece))
        piece = []
    return max(skipped_to, end), found


def _ends(tokens: list[Token]) -> Iterator[tuple[Token, bool]]:
    """Yield each token and whether it ends a statement: a semicolon, but not in BEGIN ATOMIC ... END or CREATE RULE."""
    blocks = brackets = 0
    first_words: list[str] = []
    previous = ""
    for token in tokens:
        if token.is_comment:
            yield token, False
            continue
        if blocks:
            blocks += (token.kind in ("CASE", "BEGIN")) - (token.kind == "END")
        elif token.kind == "ATOMIC" and previous == "BEGIN":
            blocks = 1
        brackets = max(0, brackets + (token.kind == "(") - (token.kind == ")"))
        is_in_rule = brackets > 0 and first_words[:1] == ["CREATE"] and "RULE" in first_words
        is_end = token.kind == ";" and not blocks and not is_in_rule
        yield token, is_end
        previous = token.kind
        if is_end:
            brackets, first_words = 0, []
        elif len(first_words) < 4:
            first_words.append(token.kind)


def _opens_meta_command(piece: list[Token]) -> bool:
    return bool(piece) and piece[-1].kind == "\\" and all(token.is_comment for token in piece[:-1])


def _meta_command(encoded: bytes, start: int, end: int) -> Fragment:
    # Its arguments may hold a password, and are nothing to us.
    command = re.match(rb"\\[A-Za-z]*", encoded[start:end])
    return Fragment(
        command[0].decode() if command is not None else "\\",
        "",
        _line(encoded, start),
        "sql.psql_command",
        "it is a command of psql, not SQL",
    )


def _fragment(encoded: bytes, start: int, piece: list[Token]) -> list[Fragment]:
    """Return the piece as a fragment, or nothing when it holds comments alone."""
    real = [index for index, token in enumerate(piece) if not token.is_comment]
    if not real:
        return []
    comments = [token for token in piece[: real[0]] if not _trails_a_statement(encoded, start + token.start)]
    # A hint (pg_hint_plan) belongs to the statement.
    hint = next((t for t in comments if encoded.startswith(b"/*+", start + t.start)), None)
    first = (hint or piece[real[0]]).start + start
    body = encoded[first : start + piece[real[-1]].end].decode()
    leading = "\n".join(encoded[start + t.start : start + t.end].decode().strip() for t in comments if t is not hint)
    return [Fragment(body, leading, _line(encoded, first))]


def _trails_a_statement(encoded: bytes, place: int) -> bool:
    """True for a comment after a semicolon on the same line: it belongs to what it follows."""
    line = encoded[encoded.rfind(b"\n", 0, place) + 1 : place]
    return line.rstrip().endswith(b";")


def _end_of_line(encoded: bytes, place: int) -> int:
    newline = encoded.find(b"\n", place)
    return len(encoded) if newline < 0 else newline + 1


def _line(encoded: bytes, place: int) -> int:
    return bisect_left(_newlines(encoded), place) + 1


@lru_cache(maxsize=1)
def _newlines(encoded: bytes) -> list[int]:
    return [match.start() for match in re.finditer(rb"\n", encoded)]
