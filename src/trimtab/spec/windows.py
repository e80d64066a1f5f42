"""Change windows: when a source may be changed, written as "Mon-Fri 22:00-04:00 Europe/Berlin". Pure; no clock.

A window's days, times and zone are read strictly: what is not exactly of that form, or could never be open, is refused,
so that no window silently never opens. Whether a moment is inside is decided by the same intervals that are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import TypeAlias

Windows: TypeAlias = tuple[tuple[str, ...], ...]
"""Lists of windows. Of every list at least one window must be open; no list at all is always open."""

Interval: TypeAlias = tuple[datetime, datetime]
"""Begin and end in UTC; the end does not belong to it."""

ALWAYS: Windows = ()
ALWAYS_WORD = "always"
HORIZON_DAYS = 62
"""How far ahead the next windows are looked for."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(
    r"(?:(?P<days>[A-Z][a-z]{2}(?:[-,][A-Z][a-z]{2})*) )?"
    r"(?P<begin>[0-2]\d:[0-5]\d)-(?P<end>[0-2]\d:[0-5]\d) (?P<zone>[A-Za-z][A-Za-z0-9_+/-]*)"
)
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
"""Files beside the zones which are of no place: one document would mean other times on another machine."""
_EXAMPLE = 'write it as "Mon-Fri 22:00-04:00 Europe/Berlin" or "02:00-06:00 UTC"'


@dataclass(frozen=True, slots=True)
class Window:
    """One window. `days` are those on which it opens, 0 for Monday; `end_minutes` beyond 1440 is on the next day."""

    days: frozenset[int]
    begin_minutes: int
    end_minutes: int
    zone: str

    def intervals(self, first: date, days: int) -> Iterator[Interval]:
        """Yield the intervals of the openings on these days. One that a change of clocks swallows is left out.

        Of an hour that a change of clocks repeats the first is meant.
        """
        zone = _zone(self.zone)
        for number in range(days):
            day = first + timedelta(days=number)
            if day.weekday() in self.days:
                begin, end = (_moment(day, minutes, zone) for minutes in (self.begin_minutes, self.end_minutes))
                if begin < end:
                    yield begin, end


@cache
def parse_window(text: str) -> Window:
    """Return the window that the text means. Raises ValueError for anything that is not exactly of the form."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no window: {_EXAMPLE}")
    begin, end = (_minutes(text, found[name]) for name in ("begin", "end"))
    if begin == 1440:
        raise ValueError(f"{text!r} never opens: no day has an hour 24; begin at 00:00")
    if begin == end:
        raise ValueError(f"{text!r} never opens: it ends when it begins; a whole day is 00:00-24:00")
    _zone(found["zone"])
    return Window(_days(text, found["days"]), begin, end if end > begin else end + 1440, found["zone"])


def canonical(lists: Iterable[Iterable[str]]) -> Windows:
    """Return the lists in one order, each window once, and without those that another list makes needless.

    Raises ValueError for a window that cannot be read, and for a list without any, which would never be open.
    """
    sets = {frozenset(one) for one in lists}
    for one in sets:
        if not one:
            raise ValueError(
                'a list of windows is empty, so that nothing could ever change; write "always", or windows'
            )
        for text in one:
            parse_window(text)
    narrowest = [one for one in sets if not any(other < one for other in sets)]
    return tuple(sorted(tuple(sorted(one)) for one in narrowest))


def both(left: Windows, right: Windows) -> Windows:
    """Return windows that are open when both are."""
    return canonical((*left, *right))


def open_intervals(windows: Windows, now: datetime, *, days: int = HORIZON_DAYS) -> list[Interval]:
    """Return when the windows are open from `now` on, in order, joined where they touch; empty when never so soon.

    Without any window that is the whole time.
    """
    begin, end = now.astimezone(UTC), now.astimezone(UTC) + timedelta(days=days)
    found: list[Interval] = [(begin, end)]
    first = begin.date() - timedelta(days=2)
    for one in windows:
        found = _common(found, _joined(i for text in one for i in parse_window(text).intervals(first, days + 4)))
    return found


def is_open(windows: Windows, now: datetime) -> bool:
    """Return True when a change may be made now."""
    moment = now.astimezone(UTC)
    return any(begin <= moment < end for begin, end in open_intervals(windows, now, days=1))


def _days(text: str, written: str | None) -> frozenset[int]:
    if written is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in written.split(","):
        ends = part.split("-")
        unknown = [name for name in ends if name not in _DAYS]
        if unknown or len(ends) > 2:
            raise ValueError(f"{text!r} is no window: {part!r} is no day or range of days; days are {', '.join(_DAYS)}")
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return frozenset(found)


def _minutes(text: str, written: str) -> int:
    hour, minute = map(int, written.split(":"))
    if hour * 60 + minute > 1440:
        raise ValueError(f"{text!r} is no window: there is no such time as {written}")
    return hour * 60 + minute


@cache
def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    if name.rpartition("/")[2] in _NO_ZONES:
        raise ValueError(f"the time zone {name!r} is whatever a machine is set to: name a place, or write UTC")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # what is not found is a KeyError; a directory, or an odd name, the others
        raise ValueError(f"the time zone {name!r} is not known here: name it as the IANA does, or write UTC") from None


def _moment(day: date, minutes: int, zone: tzinfo) -> datetime:
    """Return the moment in UTC. A time that a change of clocks leaves out is the moment of that change."""
    wall = datetime.combine(day + timedelta(days=minutes // 1440), time(minutes % 1440 // 60, minutes % 60), zone)
    moment = wall.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return moment
    offset = moment.astimezone(zone).utcoffset()
    while (moment - timedelta(minutes=1)).astimezone(zone).utcoffset() == offset:
        moment -= timedelta(minutes=1)
    return moment


def _joined(intervals: Iterable[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for begin, end in sorted(intervals):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def _common(left: list[Interval], right: list[Interval]) -> list[Interval]:
    pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in left for b in right)
    return sorted((begin, end) for begin, end in pairs if begin < end)
