"""What the command line says on stderr, and the words in which it shows texts and numbers."""

from __future__ import annotations

import sys

from trimtab.errors import EmptyWorkloadError, TrimtabError
from trimtab.report.figures import duration, in_ascii, percent, printable, share, size, utc_time

__all__ = ["duration", "in_ascii", "percent", "printable", "say", "share", "size", "tell", "utc_time"]


MOST_LEFT_OUT = 20
"""So many statements that were left out are told one by one; --json tells all."""


def tell(error: TrimtabError) -> None:
    """Print on stderr what was refused, what to do next, and the reason code; passwords of DSNs are taken out.

    Where nothing of a workload can be used, each of its statements is named with its own reason.
    """
    say(f"trimtab: {error}")
    if isinstance(error, EmptyWorkloadError):
        for name, code, reason in error.left_out[:MOST_LEFT_OUT]:
            say(printable(f"  left out: {name}: {reason} [{code}]", limit=300))
        if len(error.left_out) > MOST_LEFT_OUT:
            say(f"  … and {len(error.left_out) - MOST_LEFT_OUT} more are left out; --json says why")
    for note in getattr(error, "__notes__", ()):
        say(f"  {note}")
    if error.next_step:
        say(f"  next: {error.next_step}")
    say(f"  [{error.code}]")


def say(text: str) -> None:
    """Print a message on stderr."""
    from trimtab.db.dsn import redact

    print(printable(redact(text), may_break=True), file=sys.stderr)
