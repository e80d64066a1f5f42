"""Brings together what is counted now and what earlier runs saw: for how long no scan used an index.

The ledger remembers: each run writes at its start what it saw.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from trimtab.apply.enforce import database_body
from trimtab.db.connection import Connection
from trimtab.db.dsn import describe
from trimtab.db.role import reading
from trimtab.errors import UsageError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.request import Request
from trimtab.model.catalog import ServerIdentity, Snapshot
from trimtab.model.usage import Sighting, Usage, unused_days
from trimtab.observe.server import read_server
from trimtab.observe.usage import read_usage

_TIMEOUT_MS = 60_000


def open_standbys(request: Request, source: Connection, stack: ExitStack) -> dict[str, Connection]:
    """Connect to the standbys of the request. Raises SourceError; UsageError `usage.standby` for any other server."""
    found: dict[str, Connection] = {}
    primary = read_server(source) if request.standbys else None
    running: set[str] = set()
    for conninfo in request.standbys:
        standby = stack.enter_context(closing(reading(conninfo, statement_timeout_ms=_TIMEOUT_MS)))
        name, server = describe(conninfo), read_server(standby)
        if server.started_at in running:
            raise UsageError(
                f"--standby {name} was refused: it is a server that was named before",
                code="usage.standby",
                next_step="Name each standby once: who is not asked must show as such.",
            )
        running.add(server.started_at)
        if primary is not None and not _is_standby_of(server, primary):
            raise UsageError(
                f"--standby {name} was refused: it is no standby of the source's server and database",
                code="usage.standby",
                next_step="Name servers that replicate the source physically, and the same database on them.",
            )
        found[name] = standby
    return found


def _is_standby_of(standby: ServerIdentity, primary: ServerIdentity) -> bool:
    identifiers = {standby.system_identifier or "", primary.system_identifier or ""} - {""}
    is_same = standby.database_oid == primary.database_oid and standby.database == primary.database
    return standby.is_standby and is_same and len(identifiers) < 2


def with_usage(snapshot: Snapshot, ledger: Ledger, source: Connection, standbys: Mapping[str, Connection]) -> Snapshot:
    """Return the snapshot with what its indexes are used for, and since when they are not. Raises SourceError."""
    usage = read_usage(source, standbys, snapshot.tables)
    now = Sighting(time.time_ns(), usage)  # The ledger has our clock too.
    days = unused_days(now, sightings(ledger, snapshot.server))
    return replace(
        snapshot,
        usage=usage,
        tables=tuple(
            replace(table, indexes=tuple(replace(index, unused_days=days.get(index.oid)) for index in table.indexes))
            for table in snapshot.tables
        ),
    )


def unseen(snapshot: Snapshot) -> tuple[str, ...]:
    """Say what keeps unused indexes from being told, if anything does."""
    count = 0 if snapshot.usage is None else snapshot.usage.unseen_replicas
    many = f"{count} replicas have" if count > 1 else "a replica has"
    return (f"no index is told to be unused: {many} not been asked (--standby DSN)",) if count else ()


def usage_body(usage: Usage | None) -> dict[str, object]:
    """Return how the ledger writes it; nothing where it was not read."""
    if usage is None:
        return {}
    return {
        "counted_by": usage.counted_by,
        "scans": {str(oid): scans for oid, scans in sorted(usage.scans.items())},
        "unseen_replicas": usage.unseen_replicas,
    }


def sightings(ledger: Ledger, server: ServerIdentity) -> Iterator[Sighting]:
    """Yield what earlier runs saw on this database, in the order of time. Raises LedgerError."""
    database = database_body(server)
    for entry in ledger.entries(Kind.RUN_STARTED):
        if entry.body.get("database") == database and (usage := _usage(entry)) is not None:
            yield Sighting(entry.at_ns, usage)


def _usage(entry: Entry) -> Usage | None:
    """Runs of older versions, and those that broke off early, say nothing."""
    body = entry.body.get("index_usage")
    if not isinstance(body, dict) or not isinstance(scans := body.get("scans"), dict):
        return None
    counted = {int(oid): count for oid, count in scans.items() if oid.isdigit() and isinstance(count, int)}
    unseen = body.get("unseen_replicas")
    return Usage(str(body.get("counted_by", "")), counted, unseen if isinstance(unseen, int) else 1)
