"""The public Python interface to locks of plans: plain functions. Thin. `trimtab.api` has all of these names too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.model.watch import Silent, Watcher

if TYPE_CHECKING:
    from trimtab.anchor.lease import Lease
    from trimtab.lifecycle.holding import Held


def lock_plan(
    name: str,
    query_id: str,
    dsn: str | None = None,
    *,
    database: str | None = None,
    workload: str | Path | Sequence[str] | None = None,
    role: str = "",
    ttl_days: float = 14.0,
    is_confirmed: bool = False,
    spec: str | Path | None = None,
    pg_bin: Path | None = None,
    seed: int = 1,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
) -> Held:
    """Bring the plan back that an anchor has of a query, on the source, and hold it as a lease.

    `workload` has the query's text, as in `create_anchor`; `role` is who runs it, "" for anybody. It is done by what
    takes the proven cause away, as far as the specification allows; what does not bring the plan back is taken back.
    `is_confirmed` goes on although the plan was flipped twice within a day. Raises TrimtabError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.holding import HoldRequest, hold
    from trimtab.lifecycle.request import given_workload

    request = HoldRequest(
        conninfo=conninfo_for(dsn, database),
        ledger_path=_ledger(ledger_path),
        name=name,
        query_id=query_id,
        workload=given_workload(workload),
        role=role,
        spec=spec,
        ttl_days=ttl_days,
        is_confirmed=is_confirmed,
        pg_bin=pg_bin,
        seed=seed,
    )
    return hold(request, watcher or Silent())


def plan_locks(
    dsn: str | None = None, *, database: str | None = None, ledger_path: Path | None = None
) -> tuple[Lease, ...]:
    """Return all leases of this machine and how they stand. Without a database no server is asked.

    With one its leases are returned, and what was undone there by others is seen. Raises LedgerError, SourceError.
    """
    from trimtab.lifecycle.locking import known_leases

    if dsn is None and database is None:
        return known_leases(_ledger(ledger_path))
    import time

    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.lock_look import looked_at

    return looked_at(conninfo_for(dsn, database), _ledger(ledger_path), now_ns=time.time_ns())


def unlock_plan(
    lease_id: str,
    dsn: str | None = None,
    *,
    reason: str,
    database: str | None = None,
    spec: str | Path | None = None,
    ledger_path: Path | None = None,
) -> Lease:
    """Take a lock back, because of a reason. Raises TrimtabError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.locking import release

    return release(conninfo_for(dsn, database), _ledger(ledger_path), lease_id, reason, spec=spec)


def review_locks(
    dsn: str | None = None,
    *,
    database: str | None = None,
    workload: str | Path | Sequence[str] | None = None,
    ttl_days: float = 14.0,
    spec: str | Path | None = None,
    pg_bin: Path | None = None,
    seed: int = 1,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Lease]:
    """Look at every active lock of a database whose query the workload has, and return how they stand then.

    One that has run out is tried without in the lab: it is retired when the planner does as well alone, else renewed
    for `ttl_days`. Raises TrimtabError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.holding import ReviewRequest, review_all
    from trimtab.lifecycle.request import given_workload

    request = ReviewRequest(
        conninfo=conninfo_for(dsn, database),
        ledger_path=_ledger(ledger_path),
        workload=given_workload(workload),
        spec=spec,
        ttl_days=ttl_days,
        pg_bin=pg_bin,
        seed=seed,
    )
    return review_all(request, watcher or Silent())


def _ledger(path: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return path or ledger_path()
