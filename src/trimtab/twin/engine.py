"""One server of the twin: the session that plans on it, and its hypothetical indexes. It plans one task after another.

Sessions of one server would wait for each other, because an index is shown by an update in an open transaction. So what
plans at the same time has a server of its own, which is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trimtab.db.connection import Connection
from trimtab.db.pipeline import Statement
from trimtab.embedded.server import Server
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    SetSetting,
    change_digest,
)
from trimtab.twin.cache import Answer, Question, Relations, Task
from trimtab.twin.extended import ExtendedValues, store_values
from trimtab.twin.hypothetical import HypotheticalIndexes
from trimtab.twin.session import Session, setting_statement

Values = Mapping[str, Sequence[ExtendedValues]]
"""What statistics objects hold, by the digest of the change that creates them."""


class Engine:
    """A running server of the twin. `open_session` connects to such a server with the source's settings."""

    def __init__(self, server: Server, open_session: Callable[[Server], Connection]) -> None:
        self.server = server
        self._open_session = open_session
        self._session = Session(open_session(server))
        self.indexes = HypotheticalIndexes(server, self.connection)
        self._session.prepare(self.indexes.switching_text)

    @property
    def connection(self) -> Connection:
        """The session that plans."""
        return self._session.connection

    @property
    def is_alive(self) -> bool:
        """Whether its server runs and its session can be used."""
        return self.server.is_running and not self.connection.closed

    def copied(self) -> Engine:
        """Return an engine on a copy of this server, which is stopped meanwhile. After a LabError this goes on."""
        self.indexes.close()
        self.connection.close()
        copies: list[Server] = []
        try:
            copies.append(self.server.clone(self.server.purpose))
            other = Engine(copies[0], self._open_session)
            other.indexes = self.indexes.moved(other.server, other.connection)
        except BaseException:
            for copy in copies:
                copy.destroy()
            raise
        finally:
            if self.server.is_running:
                self._session = Session(self._open_session(self.server))
                self.indexes = self.indexes.moved(self.server, self.connection)
                self._session.prepare(self.indexes.switching_text)
        return other

    def learn(self, question: Question) -> tuple[Answer, Relations | None]:
        """Return the plan as things are, and the relations that the planner looked at; None when it failed."""
        return self._session.learn(question)

    def ask(self, task: Task, values: Values) -> list[Answer]:
        """Return the plans with the task's changes in force. A change that cannot be made fails all of them."""
        if any(isinstance(c, CreateStatistics) and values.get(change_digest(c)) for c in task.changes):
            return self._session.ask_singly(task.questions, lambda: self._set_up(task.changes, values))
        set_up = [*self.indexes.switches(task.changes), *(s for c in task.changes for s in _statements(c))]
        return self._session.ask(task.questions, set_up)

    def close(self) -> None:
        """End its sessions and its server, and remove everything of it."""
        self.indexes.close()
        self.connection.close()
        self.server.destroy()

    def _set_up(self, changes: Sequence[Change], values: Values) -> None:
        for statement in self.indexes.switches(changes):
            self.connection.execute(statement.text.encode(), statement.values)
        for change in changes:
            for statement in _statements(change):
                self.connection.execute(statement.text.encode(), statement.values)
            held = values.get(change_digest(change), ())
            if isinstance(change, CreateStatistics) and held:
                self.connection.execute(change.sql().encode())
                for one in held:
                    store_values(self.connection, one)


def _statements(change: Change) -> list[Statement]:
    """Return what makes a change that needs no preparation, until the open transaction ends."""
    match change:
        case SetSetting():
            return [setting_statement(change)]
        case DropStatistics():
            return [Statement(change.sql())]
        case CreateIndex() | DropIndex() | CreateStatistics():
            return []
