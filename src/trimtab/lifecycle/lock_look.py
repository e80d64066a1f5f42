"""Looks on the source whether what leases rest on is still there: somebody may have undone it by hand. Only looks.

The plan is not asked for: that is a review's. Nothing is noted, so that who may only read can look.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from trimtab.anchor.lease import Lease, LeaseState, leases
from trimtab.apply.enforce import database_body
from trimtab.apply.present import applied_now
from trimtab.apply.state import ChangeState, state_of
from trimtab.db.connection import Connection
from trimtab.db.role import reading
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes
from trimtab.lifecycle.workshop import READ_TIMEOUT_MS
from trimtab.model.applied import Applied
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change, RestoreStatistics
from trimtab.model.workload import Workload
from trimtab.observe.snapshot import read_facts


def looked_at(conninfo: str, ledger_path: Path, *, now_ns: int) -> tuple[Lease, ...]:
    """Return the leases of a database as they stand there now: UNDONE where a change of it is not there any more.

    Restored statistics are replaced by every ANALYZE, and are not looked for. Raises SourceError, LedgerError.
    """
    with closing(reading(conninfo, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        snapshot = read_facts(source, Workload((), "none"))
        database = database_body(snapshot.server)
        with closing(Ledger.open(ledger_path)) as ledger:
            entries = tuple(ledger.entries())
        found = []
        for lease in leases(entries, now_ns, database=database):
            standing = applied_changes(entries, database=database, strategy_id=lease.strategy_id)
            gone = undone(source, standing, snapshot) if lease.is_active else []
            if gone:
                told = "; ".join(change.sql() for change in gone)
                reason = f"it was undone on the source, not by this machine: {told}"
                found.append(replace(lease, state=LeaseState.UNDONE, reason=reason, seen_ns=now_ns))
            else:
                found.append(lease)
    return tuple(found)


def undone(source: Connection, standing: Sequence[Applied], snapshot: Snapshot) -> list[Change]:
    """Return which of these changes, that the ledger knows to stand, are not there any more. Raises SourceError."""
    now = [applied_now(source, each, snapshot).change for each in standing]
    return [
        change
        for change in now
        if not isinstance(change, RestoreStatistics) and state_of(source, change) is not ChangeState.DONE
    ]
