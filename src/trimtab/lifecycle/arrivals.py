"""Tells when a database's statements arrive, by the hour of the week, from what a watcher has kept. Reads one file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from trimtab.errors import TrimtabError
from trimtab.lifecycle.watch_identity import store_path
from trimtab.lifecycle.watch_store import HOUR, WatchStore
from trimtab.model.watched import CALLS

HOURS = 168


def arrival_profile(ledger_path: Path, identity: Mapping[str, object]) -> tuple[float | None, ...]:
    """Return calls/s by hour of the week, from Monday 0 h UTC; None for an hour that was not watched.

    Empty where the database was never watched for an hour, or what was kept cannot be read. `identity` is the
    watcher's: system identifier, database, oid.
    """
    path = store_path(ledger_path, identity)
    if not path.is_file():
        return ()
    calls, seconds = [0.0] * HOURS, [0.0] * HOURS
    try:
        with WatchStore.reader(path) as store:
            slots = store.slots(HOUR)
    except TrimtabError:
        return ()
    for slot in slots:
        began = datetime.fromtimestamp(slot.start_ns / 1e9, UTC)
        hour = began.weekday() * 24 + began.hour
        calls[hour] += float(slot.counts[:, CALLS].sum())
        seconds[hour] += slot.seconds
    if not any(seconds):
        return ()
    return tuple(round(count / of, 4) if of > 0 else None for count, of in zip(calls, seconds, strict=True))
