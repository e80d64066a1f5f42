"""Sessions of an application that are at something, for the tests of what ends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg
from psycopg import pq

from trimtab.db.connection import connect
from trimtab.model.backend import Backend
from trimtab.observe.backends import read_backend

CANARY = "canary-4711-of-a-literal"
APPLICATION = "tool-of-the-clerks"
LONG = f"SELECT pg_sleep(600) /* {CANARY} */, '{CANARY}'"
_PATIENCE_SECONDS = 20.0


@dataclass
class Application:
    """One session of an application, by an ordinary role, without a thread: what it sends is not waited for."""

    dsn: str
    link: pq.abc.PGconn

    @classmethod
    def connected(cls, dsn: str, user: str) -> Application:
        link = pq.PGconn.connect(psycopg.conninfo.make_conninfo(dsn, user=user, application_name=APPLICATION).encode())
        assert link.status == pq.ConnStatus.OK, link.error_message
        return cls(dsn, link)

    @property
    def pid(self) -> int:
        return self.link.backend_pid

    def run(self, statement: str) -> None:
        result = self.link.exec_(statement.encode())
        assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK), result.error_message

    def begin(self, statement: str = LONG) -> Backend:
        """Send a statement, and return the backend as it is seen at it."""
        self.link.send_query(statement.encode())
        return self.seen(lambda backend: backend.state == "active")

    def seen(self, when: Callable[[Backend], bool] = lambda _: True) -> Backend:
        """Return the backend as a superuser sees it, as soon as it is so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with closing(connect(self.dsn, read_only=True)) as reader:
            while True:
                found = read_backend(reader, self.pid)
                if found is not None and when(found):
                    return found
                assert time.monotonic() < deadline, found
                time.sleep(0.01)

    def is_there(self) -> bool:
        with closing(connect(self.dsn, read_only=True)) as reader:
            return read_backend(reader, self.pid) is not None

    def is_at_work(self) -> bool:
        with closing(connect(self.dsn, read_only=True)) as reader:
            found = read_backend(reader, self.pid)
        return found is not None and found.state == "active"

    def ended_with(self) -> str:
        """Wait for the end of what was sent; return its SQLSTATE, "" where it came to its own end."""
        result = self.link.get_result()
        assert result is not None
        found = result.error_field(pq.DiagnosticField.SQLSTATE)
        while self.link.status == pq.ConnStatus.OK and self.link.get_result() is not None:
            pass
        return "" if found is None else found.decode()

    def close(self) -> None:
        self.link.finish()
