"""Makes text from a database and numbers fit to be read: control characters are shown, not obeyed; lengths are bounded.

Every face shows them so. It prints nothing.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

# Control, format, surrogate, private and unassigned characters; separators of lines and paragraphs.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and a symbol that show nothing: fillers of Hangul, the empty pattern of Braille.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_IDENTIFIER = re.compile(r'"(?:[^"]|"")+"')
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def printable(text: str, *, limit: int = 4000, may_break: bool = False) -> str:
    """Return the text with every control, bidirectional or invisible character escaped, cut at `limit` characters.

    A line break is one of them, unless `may_break`: a name must not be able to forge a line of ours.
    """
    shown = "".join("\n" if may_break and character == "\n" else _shown(character) for character in text[:limit])
    return shown + ("…" if len(text) > limit else "")


def in_ascii(text: str) -> str:
    """Return the text with every character outside of printable ASCII as its number, as PostgreSQL's U&"..." writes it.

    So a name that looks like another one is told from it.
    """

    def unicode_escaped(found: re.Match[str]) -> str:
        name = found[0]
        return name if _NOT_ASCII.search(name) is None else "U&" + _NOT_ASCII.sub(_numbered, name.replace("\\", "\\\\"))

    return _NOT_ASCII.sub(_numbered, _IDENTIFIER.sub(unicode_escaped, text))


def duration(ms: float) -> str:
    """Return milliseconds as people read them: 0.42 ms, 17 ms, 3.20 s."""
    if ms >= 100_000:
        return f"{ms / 1000:,.0f} s"
    if ms >= 1000:
        return f"{ms / 1000:.2f} s"
    return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.1f} ms" if ms >= 10 else f"{ms:.2f} ms"


def utc_time(at_ns: int) -> str:
    """Return nanoseconds since 1970 as the date and time of day in UTC, to the second."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(sep=" ", timespec="seconds")[:19]


def size(size_bytes: int) -> str:
    """Return bytes as PostgreSQL's pg_size_pretty would: 812 kB, 24 MB."""
    sign, rest = ("-" if size_bytes < 0 else ""), float(abs(size_bytes))
    for unit in ("bytes", "kB", "MB", "GB"):
        if rest < 10240 or unit == "GB":
            return f"{sign}{rest:.0f} {unit}"
        rest /= 1024
    return f"{sign}{rest:.0f} GB"


def share(value: float) -> str:
    """Return a share as people write it: "12.5 %"."""
    return f"{100 * value:.1f} %"


def percent(share: float) -> str:
    """Return a share as a signed percentage: 0.423 saved is "-42.3 %"."""
    return f"{-100 * share:+.1f} %"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN and character not in _BLANK:
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def _numbered(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\{number:04x}" if number < 0x10000 else f"\\+{number:06x}"
