"""What the faults of a history's store are called. Never repeats what was to be written."""

from __future__ import annotations

from pathlib import Path

from trimtab.errors import LedgerError


def busy(name: Path | str) -> LedgerError:
    """Return the error for a store that another writer holds for too long."""
    return LedgerError(
        f"the history {name} is held by another writer",
        code="history.busy",
        next_step="Wait for the other program; what was seen meanwhile is counted again in the next round.",
    )


def corrupt(name: Path | str, found: str) -> LedgerError:
    """Return the error for a store that is not as it was written."""
    return LedgerError(
        f"the history {name} cannot be trusted: {found}",
        code="history.corrupt",
        next_step="Move it away: `trimtab collect` then begins a new one.",
    )


def newer(name: str, version: int, known: int) -> LedgerError:
    """Return the error for a store that a later version wrote."""
    return LedgerError(
        f"the history {name} was refused: its schema version is {version}, this Trimtab knows {known}",
        code="history.newer",
        next_step="Use the version of Trimtab that wrote it, or a later one.",
    )


def unwritable(name: Path | str, found: str) -> LedgerError:
    """Return the error for a store that cannot be used now."""
    return LedgerError(
        f"the history {name} cannot be used: {found}",
        code="history.unwritable",
        next_step="Make room, or give this user the right to write there; collecting goes on by itself then.",
    )
