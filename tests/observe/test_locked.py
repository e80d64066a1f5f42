"""Claims about tables that another session locks: what comes free is waited for, what does not is named."""

from __future__ import annotations

import pytest

from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.observe.locked import require_unlocked


def test_a_table_that_stays_locked_is_named_with_its_holder(conn: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError) as refused:
            require_unlocked(conn, seconds=0)
        require_unlocked(owner, seconds=0)  # its own lock keeps nobody from reading
    assert refused.value.code == "source.locked"
    assert f'"sale" is locked: server process {owner.info.backend_pid} holds it exclusively' in str(refused.value)
    require_unlocked(conn, seconds=0)


def test_locks_that_let_others_read_are_no_hindrance(conn: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE sale IN EXCLUSIVE MODE")
        require_unlocked(conn, seconds=0)


def test_what_the_role_may_not_read_is_none_of_its_business(reader: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE part IN ACCESS EXCLUSIVE MODE")
        require_unlocked(reader, seconds=0)
