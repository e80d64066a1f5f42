"""On every version: PostgreSQL keeps a ledger as the file does, and lets nobody change what is in it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.ledger.written import change_a_database
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.migrate import migrate

pytestmark = [pytest.mark.server, pytest.mark.versions]


def test_a_ledger_is_moved_to_the_server_grows_there_and_is_verified(empty: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        change_a_database(ledger, 1)
        written = [(entry.seq, entry.kind, entry.hash) for entry in ledger.entries()]
    migrate(path, empty)
    with Ledger.open(path) as ledger:
        assert [(entry.seq, entry.kind, entry.hash) for entry in ledger.entries()] == written
        change_a_database(ledger, 2)
        found = ledger.verify()
        assert (found.verified, found.entries) == (True, 2 * len(written))
    with psycopg.connect(empty, autocommit=True) as conn:
        for statement in ("UPDATE entries SET kind = 'x'", "DELETE FROM entries", "TRUNCATE entries"):
            with pytest.raises(psycopg.Error):
                conn.execute(statement.encode())
