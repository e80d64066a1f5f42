"""One server of the twin: the session that plans on it, and its hypothetical indexes. It plans one task after another.

Sessions of one server would wait for each other, because an index is shown by an update in an open transaction. So what
plans at the same time has a server of its own, which is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trimtab.db.connection import Connection
from trimtab.db.pipeline import Statement
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, CreateStatistics, DropIndex, DropStatistics, SetSetting
from trimtab.model.plan import Plan
from trimtab.model.whatif import Hypothesis, StatisticsTarget
from trimtab.twin.cache import Answer, Question, Relations, Task
from trimtab.twin.hypothetical import HypotheticalIndexes
from trimtab.twin.hypothetical_statistics import HypotheticalStatistics
from trimtab.twin.session import Session, setting_statement


class Engine:
    """A running server of the twin. `open_session` connects to such a server with the source's settings.

    `role` is the one that plans, where it is not the superuser.
    """

    def __init__(self, server: Server, open_session: Callable[[Server], Connection], role: str | None = None) -> None:
        self.server = server
        self._open_session = open_session
        self._role = role
        self._session = self._open(server)
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
            other = Engine(copies[0], self._open_session, self._role)
            other.indexes = self.indexes.moved(other.server, other.connection)
        except BaseException:
            for copy in copies:
                copy.destroy()
            raise
        finally:
            if self.server.is_running:
                self._session = self._open(self.server)
                self.indexes = self.indexes.moved(self.server, self.connection)
                self._session.prepare(self.indexes.switching_text)
        return other

    def learn(self, question: Question) -> tuple[Answer, Relations | None]:
        """Return the plan as things are, and the relations that the planner looked at; None when it failed."""
        return self._session.learn(question)

    def ask(self, task: Task, statistics: HypotheticalStatistics) -> list[Answer]:
        """Return the plans with the task's changes in force. A change that cannot be made fails all of them."""
        if any(statistics.is_in_force(change, task.changes) for change in task.changes):
            return self._session.ask_singly(task.questions, lambda: self._set_up(task.changes, statistics))
        set_up = [*self.indexes.switches(task.changes), *(s for c in task.changes for s in _statements(c))]
        return self._session.ask(task.questions, set_up)

    def close(self) -> None:
        """End its sessions and its server, and remove everything of it."""
        self.indexes.close()
        self.connection.close()
        self.server.destroy()

    def _open(self, server: Server) -> Session:
        return Session(
            self._open_session(server), read=lambda text: Plan.unread(self.indexes.named(text)), role=self._role
        )

    def _set_up(self, changes: Sequence[Hypothesis], statistics: HypotheticalStatistics) -> None:
        for statement in self.indexes.switches(changes):
            self.connection.execute(statement.text.encode(), statement.values)
        for change in changes:
            for statement in _statements(change):
                self.connection.execute(statement.text.encode(), statement.values)
            if isinstance(change, CreateStatistics | StatisticsTarget) and statistics.is_in_force(change, changes):
                statistics.store(self.connection, change, changes)


def _statements(change: Hypothesis) -> list[Statement]:
    """Return what makes a change that needs no preparation, until the open transaction ends."""
    match change:
        case SetSetting():
            return [setting_statement(change)]
        case DropStatistics():
            return [Statement(change.sql())]
        case CreateIndex() | DropIndex() | CreateStatistics() | StatisticsTarget():
            return []
