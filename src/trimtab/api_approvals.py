"""The public Python interface of approvals, thin. Approving itself is a person's, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.model.watch import Silent, Watcher

if TYPE_CHECKING:
    from trimtab.lifecycle.approving import Waiting
    from trimtab.model.anchor import Anchor
    from trimtab.model.report import Life


def waiting_approvals(*, ledger_path: Path | None = None) -> tuple[Waiting, ...]:
    """Return the strategies that wait for people, oldest first, with how each stands. Raises LedgerError."""
    from trimtab.lifecycle.approving import waiting
    from trimtab.paths import ledger_path as default_ledger_path

    return waiting(ledger_path or default_ledger_path())


def apply_approved(
    name: str,
    *,
    dsn: str | None = None,
    workload: str | Path | None = None,
    spec: str | Path | None = None,
    budget_bytes: int | None = None,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
) -> tuple[str, Life, Anchor | None]:
    """Apply what waits under that id of a strategy or request; return the run's id, how it ended, and the anchor.

    It is measured, kept or taken back as by `optimize`. `spec` and `budget_bytes` are those with which it was proposed.
    Raises UnapprovedError while people have to approve it, and for other rules, or no trial where one is required.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.approving import find
    from trimtab.lifecycle.loop import apply_waiting
    from trimtab.lifecycle.request import Request, given_workload
    from trimtab.paths import ledger_path as default_ledger_path

    path = ledger_path or default_ledger_path()
    request = Request(
        conninfo_for(dsn, None),
        path,
        workload=given_workload(workload),
        budget_bytes=budget_bytes,
        spec=spec,
        apply=True,
    )
    return apply_waiting(request, find(path, name).request, watcher or Silent())
