"""How often indexes were used, as counters say at several times, and for how long none used one. Pure.

Counters begin anew when statistics are reset, after a crash, and on another server: what was counted apart is never
compared. One look says nothing of when an index was made; two of the same index, with the same count, do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Usage:
    """Scans by an index's oid since the counters began, of all servers that were asked, added up.

    `counted_by` is a digest of which servers counted, and since when. `unseen_replicas` are servers that have the same
    indexes and were not asked: what they use is not known.
    """

    counted_by: str
    scans: Mapping[int, int]
    unseen_replicas: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the counters said at a time, in UTC nanoseconds."""

    at_ns: int
    usage: Usage


def unused_days(now: Sighting, earlier: Iterable[Sighting]) -> dict[int, float]:
    """Return, by oid, for how many days no scan used the index, as far as is known: since the first equal count.

    `earlier` are in the order of time. Nothing is known while there are replicas that were not asked, nor
    of the time when there were.
    """
    if now.usage.unseen_replicas:
        return {}
    since: dict[int, int] = {}
    for sighting in earlier:
        then = sighting.usage
        if then.counted_by != now.usage.counted_by or then.unseen_replicas or sighting.at_ns > now.at_ns:
            since = {}
            continue
        since = {
            oid: since.get(oid, sighting.at_ns)
            for oid, scans in now.usage.scans.items()
            if then.scans.get(oid) == scans
        }
    return {oid: (now.at_ns - at_ns) / NS_PER_DAY for oid, at_ns in since.items()}
