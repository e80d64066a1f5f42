"""Sends several statements to the server in one go and reads their results: one round trip instead of one for each.

The statements must not depend on each other's results. Decides nothing about what they say.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus
from psycopg.pq.abc import PGconn, PGresult

from trimtab.db.connection import Connection

Take: TypeAlias = Callable[[int, PGresult], None]

_ABANDON_SECONDS = 10.0
_SENT_AT_ONCE = 8
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED, ExecStatus.BAD_RESPONSE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its text and the values of its `$n`, in their text form."""

    text: str
    values: tuple[str | None, ...] = ()


class Pipeline:
    """A session's way to run statements together. Between two runs the connection may be used as always."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._prepared: dict[str, bytes] = {}

    def prepare(self, text: str) -> None:
        """Have the server remember a statement of ours that is run often. Not inside of a failed transaction."""
        if text not in self._prepared:
            name = f"trimtab {len(self._prepared)}".encode()
            result = self._connection.pgconn.prepare(name, text.encode())
            if result.status in _FAILED:
                raise _error(self._connection, result)
            self._prepared[text] = name

    def run(self, statements: Sequence[Statement], take: Take | None = None) -> list[PGresult]:
        """Return the results, one for each statement. The first that fails ends the run, and is raised.

        `take` is given each statement's place and its result as soon as this is there, while the server goes on with
        the others; after a failure no more. Without a BEGIN among them they are one transaction. Raises psycopg.Error,
        and ValueError for a text that no server can be sent; an interrupt cancels what runs.
        """
        sent = [(self._prepared.get(s.text), _encoded(s.text), [_value(v) for v in s.values]) for s in statements]
        link = self._connection.pgconn
        is_complete = False
        try:
            link.enter_pipeline_mode()
            for number, (name, text, values) in enumerate(sent, 1):
                if name is None:
                    link.send_query_params(text, values or None)
                else:
                    link.send_query_prepared(name, values or None)
                if number % _SENT_AT_ONCE == 0:
                    link.flush()  # So that the server begins.
            link.pipeline_sync()
            is_complete = True
            results = _read(link, take)
            link.exit_pipeline_mode()
        except BaseException:
            self._abandon(is_complete)
            raise
        for result in results:
            if result.status in _FAILED:
                raise _error(self._connection, result)
        return results

    def _abandon(self, is_complete: bool) -> None:
        """Cancel what runs and leave the session as it was, or close it. `is_complete` when the end was sent."""
        link = self._connection.pgconn
        try:
            if link.status != ConnStatus.BAD and link.pipeline_status == PipelineStatus.OFF:
                return
            if link.status != ConnStatus.BAD:
                self._connection.cancel_safe(timeout=_ABANDON_SECONDS)
            if not is_complete:
                link.pipeline_sync()
            _read(link, seconds=_ABANDON_SECONDS)
            link.exit_pipeline_mode()
        except (psycopg.Error, OSError):
            self._connection.close()


def _encoded(text: str) -> bytes:
    encoded = text.encode()  # UnicodeEncodeError is a ValueError.
    if b"\0" in encoded:
        raise ValueError("a statement holds no NUL")
    return encoded


def _value(value: str | None) -> bytes | None:
    return None if value is None else _encoded(value)


def _read(link: PGconn, take: Take | None = None, *, seconds: float | None = None) -> list[PGresult]:
    """Return all results up to the end of the pipeline, whose next part must come in so many seconds.

    `take` is as in `run`. Never holds the interpreter's lock while it waits.
    """
    limit = None if seconds is None else seconds * 1000
    wait = select.poll()
    wait.register(link.socket, select.POLLIN | select.POLLOUT)
    while link.flush():
        events = wait.poll(limit)
        if not events:
            _lost()
        if any(event & ~select.POLLOUT for _, event in events):
            link.consume_input()
    wait.modify(link.socket, select.POLLIN)
    results: list[PGresult] = []
    while True:
        while link.is_busy():
            if not wait.poll(limit):
                _lost()
            link.consume_input()
        result = link.get_result()
        if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
            return results
        if result is not None:
            if result.status in _FAILED:
                take = None
            if take is not None:
                take(len(results), result)
            results.append(result)
        elif link.status == ConnStatus.BAD:
            _lost()


def _error(connection: Connection, result: PGresult) -> psycopg.Error:
    if connection.pgconn.status == ConnStatus.BAD:
        return psycopg.OperationalError("the connection was lost")
    return error_from_result(result, encoding="utf-8")


def _lost() -> NoReturn:
    raise psycopg.OperationalError("the connection was lost")
