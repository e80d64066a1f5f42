"""Says whether a new index, or a rebuilt one's second copy, would fill the server's disk: by a limit of size, and by
free space where it can be seen.

PostgreSQL does not tell how much space is free. So the specification bounds what the databases may hold together; and
where the server is on this machine, and its directory is seen to be that server's, the file system is asked. It only
looks, and decides nothing about what to do then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.model.change import Change, CreateIndex, RebuildIndex
from trimtab.model.strategy import Strategy
from trimtab.spec.limits import Servers
from trimtab.spec.quantity import LARGEST, size_text

# The index itself, and the files of its sort, which are about as large.
_TIMES = 2
# The file tells when the process began, the server when it was ready to start others.
_LONGEST_START_SECONDS = 60.0
_PID_FILE_LINES = 4


@dataclass(frozen=True, slots=True)
class _Places:
    """What the server says of itself; `index` and `database` are where an index, and its sort's files, may be put."""

    data_directory: Path
    port: int
    started_at: float
    index: Path
    database: Path


def predicted_bytes(strategy: Strategy, change: Change) -> int:
    """Return the predicted size of the index that the change makes; 0 for other changes."""
    if not isinstance(change, CreateIndex | RebuildIndex):
        return 0
    own, held = (strategy.evidence.get(f"{what}_bytes.{change.name}") for what in ("size", "held"))
    size = int(own) if isinstance(own, int | float) else strategy.size_bytes
    if isinstance(change, RebuildIndex) and isinstance(held, int | float):
        size = max(size, int(held) // _TIMES)  # room for a copy as large as the old one, should the estimate be wrong
    return max(0, size)


def full(connection: Connection, change: Change, size_bytes: int, limits: Servers) -> str | None:
    """Return why the server's disk has no room for the index, or None. Raises SourceError when it cannot be asked."""
    if not isinstance(change, CreateIndex | RebuildIndex):
        return None
    needed = _TIMES * size_bytes
    try:
        return _over_limit(connection, needed, limits) or _no_room(connection, change, needed, limits)
    except psycopg.Error as error:
        raise source_error(error) from None


def _over_limit(connection: Connection, needed: int, limits: Servers) -> str | None:
    most = limits.max_total_size_bytes
    if most >= LARGEST:
        return None
    row = connection.execute(queries.load("databases_size", connection.info.server_version)).fetchone()
    assert row is not None, "the query returns one row"
    held = int(row[0])
    if held + needed <= most:
        return None
    return (
        f"the server's databases hold {held:,} bytes and it may need {needed:,} more (twice its predicted size), "
        f"servers.max_total_size is {size_text(most)}"
    )


def _no_room(connection: Connection, change: CreateIndex | RebuildIndex, needed: int, limits: Servers) -> str | None:
    if not _is_on_this_machine(connection):
        return None
    places = _places(connection, change)
    if places is None or not _is_of_that_server(places):
        return None
    for place in dict.fromkeys((places.index, places.database)):
        free = _free_bytes(place)
        if free is not None and free < needed + limits.min_free_disk_bytes:
            return (
                f"the server's disk has {free:,} bytes free, and it may need {needed:,} (twice its predicted size), "
                f"beside the {size_text(limits.min_free_disk_bytes)} of servers.min_free_disk"
            )
    return None


def _is_on_this_machine(connection: Connection) -> bool:
    """A tunnel may end at a loopback address too: this is a reason to look, and no proof."""
    if connection.info.host.startswith(("/", "@")):
        return True
    try:
        return ip_address(connection.info.hostaddr).is_loopback
    except ValueError:
        return False


def _places(connection: Connection, change: CreateIndex | RebuildIndex) -> _Places | None:
    row = connection.execute(queries.load("disk_places", connection.info.server_version)).fetchone()
    assert row is not None, "the query returns one row"
    directory, port, started_at, database, index = row
    if not directory:
        return None
    base = Path(directory)
    if isinstance(change, RebuildIndex):  # the copy lies beside the index, whatever default_tablespace says
        text = queries.load("index_place", connection.info.server_version)
        own = connection.execute(text.encode(), (change.schema, change.name)).fetchone()
        index = None if own is None else own[0]
    # What is '' is in the data directory; what is relative to it is an "in place" tablespace.
    return _Places(base, port, started_at, base / (database if index is None else index), base / database)


def _is_of_that_server(places: _Places) -> bool:
    """Return whether the directory of that name on this machine is the server's: by its pid file, which it keeps."""
    with suppress(OSError, ValueError):
        lines = (places.data_directory / "postmaster.pid").read_text("utf-8").splitlines()
        if len(lines) < _PID_FILE_LINES:
            return False
        is_same_place = os.path.samefile(lines[1], places.data_directory)
        took = places.started_at - int(lines[2])
        return is_same_place and int(lines[3]) == places.port and -1.0 <= took <= _LONGEST_START_SECONDS
    return False


def _free_bytes(place: Path) -> int | None:
    with suppress(OSError):
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize
    return None
