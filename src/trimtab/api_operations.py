"""The public Python interface of who operates a server: its backends, and the freezes. Thin.

Nothing here is for agents: `trimtab mcp` shuts the enforcement point of its process, and has no tool for any of it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.model.backend import Backend, BackendAct, BackendEnded

if TYPE_CHECKING:
    from trimtab.apply.switch import Freeze
    from trimtab.lifecycle.backends import SeenBackend
    from trimtab.lifecycle.freezing import Switched

__all__ = [
    "Backend",
    "BackendAct",
    "BackendEnded",
    "backend",
    "backends",
    "end_backend",
    "freeze",
    "frozen",
    "thaw",
]


def backends(
    dsn: str | None = None, *, every: bool = False, spec: str | Path | None = None, ledger_path: Path | None = None
) -> tuple[SeenBackend, ...]:
    """Return the backends of clients that are at something now, the longest first, with what may be done to each.

    With `every` idle ones and the server's own processes too. Raises SourceError, SpecError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.backends import seen_backends

    return seen_backends(conninfo_for(dsn, None), _path(ledger_path), spec, every=every)


def backend(
    pid: int,
    *,
    dsn: str | None = None,
    started_at: str | None = None,
    spec: str | Path | None = None,
    ledger_path: Path | None = None,
) -> SeenBackend:
    """Return one backend as it is now, by its process id; with `started_at` that one and no later one of its number.

    Raises UsageError `backend.unknown`, SourceError, SpecError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.backends import seen_backend

    return seen_backend(conninfo_for(dsn, None), _path(ledger_path), spec, pid, started_at)


def end_backend(
    act: BackendAct,
    seen: Backend,
    *,
    dsn: str | None = None,
    by: str | None = None,
    via: str = "python",
    is_confirmed: bool = False,
    reason: str = "",
    spec: str | Path | None = None,
    ledger_path: Path | None = None,
) -> BackendEnded:
    """Cancel the statement, or terminate the session, of a backend as it was seen; the ledger tells of it.

    What has begun something else since is left alone. `is_confirmed` says that a person was shown this backend and said
    yes; the specification may want it. Raises RefusedError, UsageError, SourceError, LedgerError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import backends as lifecycle

    order = lifecycle.order_of(act, seen, via=via, by=by, is_confirmed=is_confirmed, reason=reason)
    return lifecycle.end_backend(conninfo_for(dsn, None), _path(ledger_path), spec, order)


def frozen(*, ledger_path: Path | None = None) -> tuple[Freeze, ...]:
    """Return the freezes that are set, that of everything first. Never raises: what is unreadable is a freeze."""
    from trimtab.apply.switch import KillSwitch

    return KillSwitch(_path(ledger_path).parent).frozen()


def freeze(
    database: str | None = None,
    *,
    reason: str = "",
    allows_reverts: bool = False,
    by: str | None = None,
    ledger_path: Path | None = None,
) -> Switched:
    """Stop all that writes to a database, by its name on the server, or to any. Raises UsageError, ConfigError."""
    from trimtab.lifecycle import freezing

    return freezing.freeze(
        _path(ledger_path), database, reason, allows_reverts=allows_reverts, now_ns=time.time_ns(), by=by
    )


def thaw(
    database: str | None = None, *, all_of_them: bool = False, by: str | None = None, ledger_path: Path | None = None
) -> Switched:
    """End the freeze of one database, or that of everything, or all. Raises ConfigError, LedgerError."""
    from trimtab.lifecycle import freezing

    return freezing.thaw(_path(ledger_path), database, all_of_them=all_of_them, by=by)


def _path(path: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return path or ledger_path()
