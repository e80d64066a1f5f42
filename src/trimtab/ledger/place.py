"""Which store keeps this machine's ledger: the SQLite file, or the PostgreSQL server that a small file beside it names.

The file, and not an option of each command, decides: two programs of one machine never write two ledgers. It is written
by `migrate.py`, or at first use where trimtab.toml names a store and there is no entry yet. No password is in it.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from trimtab.durable import read_plain_file, sync_directory, write_durably
from trimtab.errors import LedgerError
from trimtab.ledger.faults import ledger_faults
from trimtab.ledger.redaction import holds_password

FORMAT = "trimtab.ledger.store/v1"
_MOST_BYTES = 1 << 16


def store_file(path: Path) -> Path:
    """Return the file that names the store of the ledger at `path`."""
    return path.with_suffix(".store")


def server_of(path: Path) -> str | None:
    """Return the conninfo of the server that keeps the ledger, None when the SQLite file does.

    Raises LedgerError `ledger.store` when the file cannot be read: writing elsewhere would make a second ledger.
    """
    try:
        raw = read_plain_file(store_file(path), _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    try:
        held = json.loads(raw)
        conninfo = held["conninfo"] if held["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError, RecursionError):
        conninfo = None
    if not isinstance(conninfo, str):
        raise _unreadable(path, "it is not as it was written")
    return conninfo


def is_there(path: Path) -> bool:
    """Return True when this machine has a ledger, wherever it is kept. Raises LedgerError `ledger.store`."""
    return path.exists() or server_of(path) is not None


def refuse_password(conninfo: str | None) -> None:
    """Refuse a server's conninfo that holds a password: LedgerError `ledger.store`."""
    if conninfo is not None and holds_password(conninfo):
        raise LedgerError(
            "the store was refused: its DSN holds a password",
            code="ledger.store",
            next_step="Put the password into ~/.pgpass or a service file (pg_service.conf): libpq finds it there.",
        )


def name_server(path: Path, conninfo: str | None) -> None:
    """Write, durably, which server keeps the ledger; None for the SQLite file. Raises LedgerError."""
    refuse_password(conninfo)
    place = store_file(path)
    with ledger_faults(path):
        if conninfo is not None:
            write_durably(place, (json.dumps({"format": FORMAT, "conninfo": conninfo}) + "\n").encode())
            return
        place.unlink(missing_ok=True)
        sync_directory(place.parent)


def use_server(path: Path, conninfo: str) -> None:
    """Let the server keep the ledger, as trimtab.toml wants, where nothing was written yet.

    Raises LedgerError `ledger.elsewhere` when another store has entries: only `trimtab ledger migrate` moves them.
    """
    current = server_of(path)
    if current == conninfo:
        return
    if current is not None or _has_entries(path):
        found = "another server" if current is not None else str(path)
        raise LedgerError(
            f"trimtab.toml names a store for the ledger, and it is kept by {found}",
            code="ledger.elsewhere",
            next_step="Move it by `trimtab ledger migrate --to DSN`, or take ledger.store out of trimtab.toml.",
        )
    name_server(path, conninfo)


def _has_entries(path: Path) -> bool:
    if not path.exists():
        return False
    with ledger_faults(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as raw:
        tables = raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'").fetchone()
        return bool(tables[0]) and raw.execute("SELECT 1 FROM entries LIMIT 1").fetchone() is not None


def _unreadable(path: Path, found: str) -> LedgerError:
    return LedgerError(
        f"{store_file(path)} cannot be used: {found}",
        code="ledger.store",
        next_step="Restore it: it says which server keeps the ledger; `trimtab ledger migrate` wrote it.",
    )
