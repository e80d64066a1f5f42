"""Tells what a watcher has kept of a database: when statements arrive, how long each took, and what its rounds did.

Reads one file, and judges nothing; what cannot be read is as if nobody had watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from trimtab.errors import TrimtabError
from trimtab.history.slots import Slot
from trimtab.lifecycle.watch_identity import store_path
from trimtab.lifecycle.watch_store import HOUR, LENGTH_NS, ROUND, WatchStore
from trimtab.model.evolution import Point
from trimtab.model.watched import BLOCKS, CALLS, TOTAL_MS

HOURS = 168


def arrival_profile(ledger_path: Path, identity: Mapping[str, object]) -> tuple[float | None, ...]:
    """Return calls/s by hour of the week, from Monday 0 h UTC; None for an hour that was not watched.

    Empty where the database was never watched for an hour, or what was kept cannot be read. `identity` is the
    watcher's: system identifier, database, oid.
    """
    calls, seconds = [0.0] * HOURS, [0.0] * HOURS
    slots, _ = _slots(ledger_path, identity, HOUR)
    for slot in slots:
        began = datetime.fromtimestamp(slot.start_ns / 1e9, UTC)
        hour = began.weekday() * 24 + began.hour
        calls[hour] += float(slot.counts[:, CALLS].sum())
        seconds[hour] += slot.seconds
    if not any(seconds):
        return ()
    return tuple(round(count / of, 4) if of > 0 else None for count, of in zip(calls, seconds, strict=True))


def watched_hours(ledger_path: Path, identity: Mapping[str, object]) -> dict[str, list[Point]]:
    """Return, by query id, the mean of each hour in which the query ran, at the hour's end; empty as above."""
    slots, names = _slots(ledger_path, identity, HOUR)
    found: dict[str, list[Point]] = {}
    for slot in slots:
        for name, calls, total_ms in _ran(slot, names, TOTAL_MS):
            found.setdefault(name, []).append(Point(slot.start_ns + LENGTH_NS[HOUR], total_ms / calls, calls))
    return found


def watched_rounds(ledger_path: Path, identity: Mapping[str, object]) -> dict[str, list[tuple[float, float]]]:
    """Return, by query id, calls and blocks of each of the newest rounds in which the query ran; empty as above."""
    slots, names = _slots(ledger_path, identity, ROUND)
    found: dict[str, list[tuple[float, float]]] = {}
    for slot in slots:
        for name, calls, blocks in _ran(slot, names, BLOCKS):
            found.setdefault(name, []).append((calls, blocks))
    return found


def _ran(slot: Slot, names: Mapping[int, str], column: int) -> Iterator[tuple[str, float, float]]:
    """Yield, of each query that ran in the slot, its id, its calls and the sum of that column over its statements."""
    sums: dict[str, list[float]] = {}
    for number, counts in zip(slot.numbers.tolist(), slot.counts, strict=True):
        if number in names:
            both = sums.setdefault(names[number], [0.0, 0.0])
            both[0] += float(counts[CALLS])
            both[1] += float(counts[column])
    for name, (calls, amount) in sums.items():
        if calls > 0:
            yield name, calls, amount


def _slots(ledger_path: Path, identity: Mapping[str, object], tier: int) -> tuple[list[Slot], dict[int, str]]:
    path = store_path(ledger_path, identity)
    if not path.is_file():
        return [], {}
    try:
        with WatchStore.reader(path) as store:
            return store.slots(tier), {known.number: known.name for known in store.statements().values()}
    except TrimtabError:
        return [], {}
