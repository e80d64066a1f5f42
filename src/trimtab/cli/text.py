"""What the command line says on stderr, and the words in which it shows texts and numbers."""

from __future__ import annotations

import sys

from trimtab.errors import TrimtabError
from trimtab.report.figures import duration, in_ascii, percent, printable, share, size, utc_time

__all__ = ["duration", "in_ascii", "percent", "printable", "say", "share", "size", "tell", "utc_time"]


def tell(error: TrimtabError) -> None:
    """Print on stderr what was refused, what to do next, and the reason code; passwords of DSNs are taken out."""
    say(f"trimtab: {error}")
    for note in getattr(error, "__notes__", ()):
        say(f"  {note}")
    if error.next_step:
        say(f"  next: {error.next_step}")
    say(f"  [{error.code}]")


def say(text: str) -> None:
    """Print a message on stderr."""
    from trimtab.db.dsn import redact

    print(printable(redact(text), may_break=True), file=sys.stderr)
