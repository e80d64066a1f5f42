"""Gives the texts of a log their ids, fast: texts that differ in literals only are read by the parser once.

It keeps digests of texts without literals, and no text. Which literals a text has never matters to its id.
"""

from __future__ import annotations

import hashlib
import re

from trimtab.db.parser import MAX_STATEMENT_BYTES
from trimtab.observe.own_statements import is_marked
from trimtab.observe.text_identity import TextIdentity, identity_of

_MOST_KEPT = 20_000
# Literals as PostgreSQL's lexer has them. A text that this could read otherwise ("odd") is not masked: one with a
# comment in a comment, or U& with its UESCAPE. float(24) and float(25) are two types.
_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_FLOAT = r"float\s*+\(\s*+"
# What begins with a letter and is no name; float is one only without a length.
_PREFIX = rf"[eEbBxXnN]'|[uU]&['\"]|(?i:{_FLOAT})\d"
_LEXEMES = re.compile(
    rf"""(?P<kept> (?:"(?:[^"]|"")*+" | [$]\d++ | (?!{_PREFIX}){_LETTER}(?:{_LETTER}|[\d$])*+
                   | \.(?!\d) | /(?!\*) | -(?!-) | [^A-Za-z0-9_\x80-\U0010ffff'"$./\-] | (?i:{_FLOAT})\d++ )++ )?+
      (?: (?P<string> [eE]'(?:[^'\\]|\\.|'')*+' | [bBxXnN]?'(?:[^']|'')*+'
                    | [$](?P<tag>(?:{_LETTER}(?:{_LETTER}|\d)*+)?)[$].*?[$](?P=tag)[$] )
        | (?P<comment> --[^\n\r]*+ | /\*(?:(?!/\*|\*/).)*+\*/ )
        | (?P<odd> /\* | ' | [eE](?=') | "(?!(?:[^"]|"")*+") | [$](?!\d) | [uU]&(?=['"]) )
        | (?P<number> (?:\d[\d_]*+(?:\.[\d_]*+)?|\.\d[\d_]*+)(?:[eE][+-]?\d++)? ) )?+
    """,
    re.VERBOSE | re.DOTALL,
)
# A lexeme and all that is kept before it are one match: of ten lexemes, nine are kept.
_STRING, _COMMENT, _ODD, _NUMBER = (_LEXEMES.groupindex[name] for name in ("string", "comment", "odd", "number"))


class _OddTextError(Exception):
    """A text that is not masked; `at` is where the doubt begins."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


class TextIds:
    """Knows the last 20,000 different statements that it was asked for."""

    def __init__(self) -> None:
        self._known: dict[bytes, TextIdentity] = {}

    def of(self, text: str) -> TextIdentity:
        """Return which query a text is; the reason `own` for a text of Trimtab's. Never raises."""
        if is_marked(text):
            return TextIdentity(None, reason="own")
        if len(text) > MAX_STATEMENT_BYTES:
            return TextIdentity(None, reason="unreadable_sql")
        key = hashlib.blake2b(masked(text).encode(errors="surrogatepass"), digest_size=16).digest()
        found = self._known.pop(key, None) or identity_of(text)
        if len(self._known) >= _MOST_KEPT:
            del self._known[next(iter(self._known))]
        # What was asked for last goes last.
        self._known[key] = found
        return found


def masked(text: str) -> str:
    """Return a text with its literals replaced and without its comments; as it is when that is not sure to be right."""
    try:
        return _LEXEMES.sub(_mask, text)
    except _OddTextError:
        return text


def masked_for_sight(text: str) -> str:
    """Return a text with its literals replaced, cut off where it is not sure to be read right.

    A server shows the beginning of a long statement alone: a string that is cut has no end, and would be seen.
    """
    try:
        return _LEXEMES.sub(_mask, text)
    except _OddTextError as odd:
        return masked_for_sight(text[: odd.at]) + "…"


def _mask(found: re.Match[str]) -> str:
    kept = found[1] or ""
    kind = found.lastindex
    if kind == _NUMBER:
        return kept + "0"
    if kind == _STRING:
        # Each kind of string stays itself: N'x' has a type, and only some kinds go on after a newline.
        is_tagged = found["tag"] is not None
        return kept + ("$$$$" if is_tagged else found[_STRING].partition("'")[0].lower() + "''")
    if kind == _ODD:
        raise _OddTextError(found.start(_ODD))
    return kept + " " if kind == _COMMENT else kept
