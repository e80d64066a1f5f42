"""Reads the times that a server writes in its log, in log_timezone, into UTC nanoseconds. No clock is read.

UTC and numeric offsets are known by themselves. Other abbreviations mean different zones to different people: they are
believed only with the name of the zone (log_timezone), and only where that zone has them at that time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{3}))? (\S{1,40})")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
_UTC = frozenset({"UTC", "GMT", "Z", "UCT"})
_NS = 10**9
_NS_PER_MS = 10**6


class Times:
    """Reads times; `zone` is log_timezone, None where it is not known. An unknown zone is as none."""

    def __init__(self, zone: str | None) -> None:
        self._zone = _zone_of(zone)
        self._last: tuple[str, str, int | None] = ("", "", None)

    def read(self, text: str) -> int | None:
        """Return UTC nanoseconds, or None for what is no time or of an unknown zone."""
        last_second, last_zone, seconds = self._last
        # Most entries are of the same second as the one before.
        if text[:19] == last_second and text[19:20] == "." and text[23:] == last_zone and text[20:23].isdecimal():
            return None if seconds is None else seconds * _NS + int(text[20:23]) * _NS_PER_MS
        found = _TIME.fullmatch(text)
        if found is None:
            return None
        second, ms, zone = found.groups()
        seconds = self._seconds(second, zone)
        self._last = (second, f" {zone}", seconds)
        return None if seconds is None else seconds * _NS + int(ms or 0) * _NS_PER_MS

    def _seconds(self, second: str, zone: str) -> int | None:
        try:
            local = datetime.fromisoformat(second)
            if zone in _UTC:
                return int(local.replace(tzinfo=UTC).timestamp())
            if offset := _OFFSET.fullmatch(zone):
                ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
                at = timezone(ahead if offset[1] == "+" else -ahead)
                return int(local.replace(tzinfo=at).timestamp())
            # An hour that the clock shows twice has two abbreviations.
            for fold in (0, 1) if self._zone is not None else ():
                there = local.replace(tzinfo=self._zone, fold=fold)
                if there.tzname() == zone:
                    return int(there.timestamp())
        except (ValueError, OverflowError):
            return None
        return None


def epoch_ns(text: str) -> int | None:
    """Return UTC nanoseconds of what `%n` writes: seconds with milliseconds since 1970."""
    seconds, _, ms = text.partition(".")
    return (
        int(seconds) * _NS + int(ms) * _NS_PER_MS if seconds.isdecimal() and ms.isdecimal() and len(ms) == 3 else None
    )


def _zone_of(name: str | None) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None
