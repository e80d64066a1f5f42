"""Claims about tables that another session locks: what comes free is waited for, what does not is named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg.pq import TransactionStatus

from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.observe.locked import require_unlocked

_WEIRD = '"Wéird ""S"""."T \'q\' ü"'


def _is_waited_for(conn: Connection, owner: Connection, statement: str, table: str, end: str) -> bool:
    """Let `conn` find the table as the statement locks it; return whether it queues for it before it is free."""
    owner.execute("BEGIN")
    owner.execute(statement.encode())
    pid, is_queued = conn.info.backend_pid, False
    asked = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND relation = $2 AND NOT granted)"
    [oid] = owner.execute("SELECT oid FROM pg_class WHERE oid = to_regclass($1)", (table,)).fetchone() or (0,)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(require_unlocked, conn, seconds=20)
        while not is_queued and not waiting.done():
            is_queued = bool((owner.execute(asked, (pid, oid)).fetchone() or (False,))[0])
        owner.execute(end.encode())
        waiting.result()
    assert conn.info.transaction_status is TransactionStatus.IDLE
    return is_queued


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("LOCK TABLE sale", "sale"),
        (f"LOCK TABLE {_WEIRD}", _WEIRD),
        ("LOCK TABLE part", "part"),
        ("LOCK TABLE part_1", "part_1"),
        ("REFRESH MATERIALIZED VIEW summary", "summary"),
    ],
)
def test_a_locked_table_is_waited_for_in_the_servers_queue(
    conn: Connection, owner: Connection, statement: str, table: str
) -> None:
    assert _is_waited_for(conn, owner, statement, table, "ROLLBACK")


def test_a_table_that_is_dropped_while_it_is_waited_for_is_none_that_stays_locked(
    conn: Connection, owner: Connection
) -> None:
    owner.execute("CREATE TABLE passing (id int)")
    assert _is_waited_for(conn, owner, "LOCK TABLE passing", "passing", "DROP TABLE passing; COMMIT")


def test_a_table_that_stays_locked_is_named_with_its_holder(conn: Connection, owner: Connection) -> None:
    limit = "SELECT current_setting('lock_timeout')"
    before = conn.execute(limit).fetchone()
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError) as refused:
            require_unlocked(conn, seconds=0)
        require_unlocked(owner, seconds=0)  # its own lock keeps nobody from reading
    assert refused.value.code == "source.locked"
    assert f'"sale" is locked: server process {owner.info.backend_pid} holds it exclusively' in str(refused.value)
    assert conn.info.transaction_status is TransactionStatus.IDLE
    assert conn.execute(limit).fetchone() == before
    require_unlocked(conn, seconds=0)


def test_locks_that_let_others_read_are_no_hindrance(conn: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE sale IN EXCLUSIVE MODE")
        require_unlocked(conn, seconds=0)


def test_what_the_role_may_not_read_is_none_of_its_business(reader: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE part IN ACCESS EXCLUSIVE MODE")
        require_unlocked(reader, seconds=0)
        owner.execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match=r'"sale" is locked: server process \d+ holds it exclusively$'):
            require_unlocked(reader, seconds=0)
