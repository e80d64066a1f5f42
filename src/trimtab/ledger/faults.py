"""Turns what SQLite and the file system say into ledger errors with stable codes. Never repeats a body."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from trimtab.errors import LedgerError, UsageError
from trimtab.sqlite_file import BUSY, has_room, lies_still, primary_code, stamp

_UNWRITABLE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOLFS,
    }
)


@contextmanager
def ledger_faults(path: Path) -> Iterator[None]:
    """Raise LedgerError `ledger.busy`, `ledger.unwritable` or `ledger.corrupt` for the faults of the block.

    Whatever was found, or was not, in a file that was to lie still and was written to meanwhile is `ledger.busy`.
    """
    before = stamp(path) if lies_still(path) else None
    try:
        with _named(path):
            yield
    except LedgerError:
        _refuse_changed(path, before)
        raise
    _refuse_changed(path, before)


def _refuse_changed(path: Path, before: tuple[int, int, int] | None) -> None:
    if before is not None and stamp(path) != before:
        raise LedgerError(
            f"the ledger {path} was written to, from elsewhere, while it was read",
            code="ledger.busy",
            next_step="Try again.",
        ) from None


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _ledger_error(path, error.orig) from None
    except (sqlite3.Error, OSError) as error:
        raise _ledger_error(path, error) from None
    except UnicodeDecodeError:  # of a text, or of SQLite's own words about a damaged page
        raise corrupt(path, "a text in it is not UTF-8") from None


def corrupt(path: Path | str, found: str) -> LedgerError:
    """Return the error for a file that is no ledger, or no longer one."""
    return LedgerError(
        f"the ledger {path} cannot be trusted: {found}",
        code="ledger.corrupt",
        next_step="Keep the file for inspection, and restore a copy or name another state directory in TRIMTAB_STATE.",
    )


def unwritable(path: Path | str, found: str) -> LedgerError:
    """Return the error for a ledger that cannot be written; without it no change is made."""
    return LedgerError(
        f"the ledger {path} cannot be written: {found}",
        code="ledger.unwritable",
        next_step="Make room or give this user the right to write there, or name another directory in TRIMTAB_STATE.",
    )


def gone(path: Path) -> LedgerError:
    """Return the error for a ledger whose file was removed, moved or replaced while it was open."""
    return LedgerError(
        f"the ledger {path} was removed, or another file put in its place, while it was open: nothing is added to it",
        code="ledger.unwritable",
        next_step="Put back the file that was there, with what lies beside it, and run `trimtab resume`: a change that"
        " was being made may stand.",
    )


def unreadable_opening(name: str, error: OSError) -> LedgerError:
    """Return the error for what is kept beside a ledger, and cannot be read where it must be."""
    return LedgerError(
        f"a definition that is kept beside the ledger {name} cannot be read: {error.strerror}",
        code="ledger.openings",
        next_step="Give this user the right to read it: what is left behind could not be put back.",
    )


def unreachable(name: str, found: str) -> LedgerError:
    """Return the error for a ledger whose server does not answer; without it no change is made."""
    return LedgerError(
        f"the ledger {name} cannot be reached: {found}",
        code="ledger.unwritable",
        next_step="Start its server, or mend the way to it, then try again.",
    )


def newer(name: str, version: int, known: int) -> LedgerError:
    """Return the error for a ledger that a later version wrote."""
    return LedgerError(
        f"the ledger {name} was refused: its schema version is {version}, this Trimtab knows {known}",
        code="ledger.newer",
        next_step="Use the version of Trimtab that wrote it, or a later one.",
    )


def moved(name: str) -> LedgerError:
    """Return the error for a store that the ledger was moved away from."""
    return LedgerError(
        f"the ledger {name} was moved to another store: nothing is added to it here",
        code="ledger.moved",
        next_step="Start again: this machine's ledger.store says where it is now; others name it by `ledger"
        " migrate`, and a move that was broken off is taken up by the same command.",
    )


def truncated(name: str, entries: int, seen: int, witness: Path) -> LedgerError:
    """Return the error for a ledger that is shorter than it was; nothing is added to it."""
    return LedgerError(
        f"the ledger {name} has {entries} entries, and {seen} were seen here before: its end was cut off",
        code="ledger.truncated",
        next_step=f"Restore the ledger. If it was replaced on purpose, move {witness} and what is beside it away.",
    )


def forked(name: str, seen: int, witness: Path) -> LedgerError:
    """Return the error for a ledger that is not the one that it was; nothing is added to it."""
    return LedgerError(
        f"the ledger {name} is not the one seen here before: one of its first {seen} entries is another",
        code="ledger.forked",
        next_step=f"Restore the ledger. If it was replaced on purpose, move {witness} and what is beside it away.",
    )


def unknown_entry(seq: int, entries: int) -> UsageError:
    """Return the error for an entry that was asked for and is not there."""
    return UsageError(
        f"entry {seq} is not in the ledger: it has {entries} entries",
        code="ledger.unknown",
        next_step="`trimtab ledger verify` says how many entries there are.",
    )


def _ledger_error(path: Path, fault: BaseException | None) -> LedgerError:
    if isinstance(fault, OSError):
        found = fault.strerror or type(fault).__name__
        beside = fault.filename if isinstance(fault.filename, str) and fault.filename != str(path) else None
        return unwritable(path, found if beside is None else f"{beside}: {found}")
    code = primary_code(fault)
    if "the ledger was moved" in str(fault):
        return moved(str(path))
    if code in BUSY:
        return LedgerError(
            f"the ledger {path} is held by another writer",
            code="ledger.busy",
            next_step="Wait for the other run to end, then try again.",
        )
    if code in _UNWRITABLE:
        return unwritable(path, str(fault) if has_room(path.parent) else "there is no room on its disk")
    return corrupt(path, str(fault))
