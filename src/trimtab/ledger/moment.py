"""What time it is, as far as a ledger knows: its last entry may be later than the clock. Pure; reads no clock.

Entries are in the order of their times, so the last one's is the latest that the ledger has seen. A clock that was set
back shows by it; so does an entry that somebody wrote with a clock that was ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.ledger.entry import Entry

TOLERANCE_NS = 60 * 10**9
"""Clocks of a fleet's machines differ by less; what is further ahead is told."""
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


def latest_ns(last: Entry | None, now_ns: int) -> int:
    """Return the later of the clock and the last entry's time, UTC nanoseconds: what has ended by it has ended.

    A clock that is set back revives nothing.
    """
    return now_ns if last is None else max(now_ns, last.at_ns)


def seconds_ahead(at_ns: int, now_ns: int) -> float:
    """Return by how many seconds a time is ahead of the clock; 0.0 within what clocks may differ by."""
    ahead = at_ns - now_ns
    return ahead / 1e9 if ahead > TOLERANCE_NS else 0.0


def span_told(seconds: float) -> str:
    """Return so many seconds in words, in the largest unit of which there are two or more."""
    for size, name in _UNITS:
        if (count := round(seconds / size)) >= 2:
            return f"{count} {name}"
    return f"{seconds:.0f} seconds"
