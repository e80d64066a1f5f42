"""Sets and ends freezes, and has the ledger tell of it. The switch comes first: a broken ledger must not keep it open.

Asks no server anything: it must work while the server cannot be reached. Watching goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.apply.asking import actor
from trimtab.apply.switch import MAX_REASON, Freeze, KillSwitch
from trimtab.errors import LedgerError, UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.redaction import holds_password

_MOST_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Switched:
    """What was frozen or thawed, what is frozen now, and why the ledger could not tell of it, or None."""

    changed: tuple[Freeze, ...]
    frozen: tuple[Freeze, ...]
    unrecorded: LedgerError | None


def freeze(
    ledger_path: Path, database: str | None, reason: str, *, allows_reverts: bool, now_ns: int, by: str | None = None
) -> Switched:
    """Freeze one database, by its name on the server, or everything.

    Raises UsageError `usage.reason`, `freeze.database`, ConfigError.

    `by` is who freezes, else who runs this program.
    """
    refuse_reason(reason)
    if database is not None:
        _refuse_no_name(database)
    switch = KillSwitch(ledger_path.parent)
    set_now = Freeze(database, reason, by or actor(), now_ns, allows_reverts)
    switch.freeze(set_now)
    unrecorded = _recorded(ledger_path, Kind.CHANGES_FROZEN, set_now)
    return Switched((set_now,), switch.frozen(), unrecorded)


def _refuse_no_name(database: str) -> None:
    """Refuse what is the name of no database: who freezes by it believes to be safe."""
    if not 0 < len(database.encode(errors="replace")) <= _MOST_NAME_BYTES or "\0" in database:
        raise UsageError(
            "nothing was frozen: what was given is no name of a database",
            code="freeze.database",
            next_step="Name the database as PostgreSQL calls it, or freeze everything, without --database.",
        )


def refuse_reason(reason: str) -> None:
    """Refuse a reason that is too long, or holds what looks like a password: `usage.reason`."""
    if len(reason) > MAX_REASON or holds_password(reason):
        found = "it holds what looks like a password" if holds_password(reason) else f"it has {len(reason)} characters"
        raise UsageError(
            f"the reason was refused, and nothing was done: {found}",
            code="usage.reason",
            next_step=f"Give a reason of at most {MAX_REASON} characters, without a secret.",
        )


def thaw(ledger_path: Path, database: str | None, *, all_of_them: bool, by: str | None = None) -> Switched:
    """End the freeze of that scope, or all. Raises ConfigError.

    Unlike freezing, it is written to the ledger first: who cannot tell of it does not thaw. Raises LedgerError.
    """
    switch = KillSwitch(ledger_path.parent)
    for freeze in switch.frozen():
        if all_of_them or freeze.database == database:
            problem = _recorded(ledger_path, Kind.CHANGES_THAWED, freeze, by)
            if problem is not None:
                raise problem
    return Switched(switch.thaw(database, all_of_them=all_of_them), switch.frozen(), None)


def freeze_document(freeze: Freeze) -> Mapping[str, object]:
    """Return a freeze as documents and the ledger have it."""
    return {
        "scope": "everything" if freeze.database is None else "database",
        "frozen_database": freeze.database,
        "reason": freeze.reason,
        "by": freeze.by,
        "allows_reverts": freeze.allows_reverts,
    }


def _recorded(ledger_path: Path, kind: Kind, freeze: Freeze, thawed_by: str | None = None) -> LedgerError | None:
    body = dict(freeze_document(freeze))
    if kind is Kind.CHANGES_THAWED:
        body["thawed_by"] = thawed_by or actor()
    try:
        with Ledger.open(ledger_path) as ledger:
            ledger.append(kind, body)
    except LedgerError as error:
        return error
    return None
