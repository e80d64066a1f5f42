"""One server of the twin: the session that plans on it, and its hypothetical indexes. It plans one task after another.

Sessions of one server would wait for each other, because an index is shown by an update in an open transaction. So what
plans at the same time has a server of its own, which is a copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from trimtab.db.connection import Connection
from trimtab.db.pipeline import Statement
from trimtab.embedded.server import Server
from trimtab.errors import EmbeddedError, SourceError
from trimtab.model.change import (
    CreateStatistics,
    DropStatistics,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
)
from trimtab.model.plan import Plan
from trimtab.model.whatif import Hypothesis, PlanFailure, StatisticsTarget
from trimtab.twin.build import restate
from trimtab.twin.cache import Answer, Question, Relations, Task
from trimtab.twin.endings import Result, answered, learned, steadily
from trimtab.twin.hypothetical import HypotheticalIndexes
from trimtab.twin.hypothetical_statistics import HypotheticalStatistics
from trimtab.twin.privileges import SWITCHING, lent
from trimtab.twin.session import Session, setting_statement
from trimtab.twin.source import Source

ENDED = PlanFailure("57P02", "the twin's server ended, twice, while it planned this")
_MOST_REVIVALS = 20
"""What ends a server so often is nothing that a single question does."""
_REVIVAL_SECONDS, _PAUSE_SECONDS = 20.0, 0.1


class Engine:
    """A running server of the twin. `open_session` connects to such a server as who plans, with the source's settings.

    `secret` lends that session a superuser's rights. `source_version` is the source's, whose builds decide sizes.
    """

    def __init__(
        self, server: Server, open_session: Callable[[Server], Connection], secret: str, source_version: int
    ) -> None:
        self.server = server
        self._open_session = open_session
        self._secret = secret
        self._source_version = source_version
        self._revivals = 0
        self._session = self._open(server)
        self.indexes = HypotheticalIndexes(server, self.connection, source_version)
        self._session.prepare(SWITCHING)

    @property
    def connection(self) -> Connection:
        """The session that plans."""
        return self._session.connection

    @property
    def is_alive(self) -> bool:
        """Whether its server runs and its session can be used."""
        return self.server.is_running and not self.connection.closed

    def be_idle(self) -> None:
        """Leave the transaction that an interrupt may have left behind in the session that plans."""
        self._session.be_idle()

    def copied(self) -> Engine:
        """Return an engine on a copy of this server, which is stopped meanwhile. After a LabError this goes on."""
        copies: list[Server] = []
        with self._without_sessions():
            try:
                copies.append(self.server.clone(self.server.purpose))
                other = Engine(copies[0], self._open_session, self._secret, self._source_version)
                other.indexes = self.indexes.moved(other.server, other.connection)
            except BaseException:
                for copy in copies:
                    copy.destroy()
                raise
        return other

    def restate(self, old: Source, new: Source) -> None:
        """As `build.restate`. Hypothetical indexes that were made before keep the shape that they had."""
        with self._without_sessions():
            restate(self.server, old, new)

    def learn(self, question: Question) -> tuple[Answer, Relations | None]:
        """Return the plan as things are, and the relations that the planner looked at; None when it failed."""
        return learned(self, lambda: self._session.learn(question), ENDED)

    def ask(self, task: Task, statistics: HypotheticalStatistics) -> list[Answer]:
        """Return the plans with the task's changes in force. A change that cannot be made fails all of them.

        Raises LabError when the server ends and cannot be brought back.
        """
        return answered(self, task, lambda some: self._ask(some, statistics), ENDED)

    def steadily(self, work: Callable[[], Result]) -> Result:
        """Do this work of the engine; where the server ends meanwhile, bring it back and do it once more."""
        return steadily(self, work)

    def revive(self) -> None:
        """Bring server and sessions back where one of them ended. Raises LabError, SourceError or psycopg.Error.

        What was made before is there: PostgreSQL recovers what its catalog holds, and no file that was shaped is in its
        log.
        """
        if self.is_alive:
            return
        self._revivals += 1
        if self._revivals > _MOST_REVIVALS:
            raise EmbeddedError(
                f"the server was brought back {_MOST_REVIVALS} times, and ended again",
                code="embedded.start_failed",
                next_step="Check memory and disk space of this machine.",
            )
        self.indexes.close()
        self.connection.close()
        self._session = self._reopened()
        self.indexes = self.indexes.moved(self.server, self.connection)
        self.indexes.clear_unfinished()
        self._session.prepare(SWITCHING)

    def close(self) -> None:
        """End its sessions and its server, and remove everything of it."""
        self.indexes.close()
        self.connection.close()
        self.server.destroy()

    @contextmanager
    def _without_sessions(self) -> Iterator[None]:
        """End the sessions while this lasts; they are opened again when the server runs then."""
        self.indexes.close()
        self.connection.close()
        try:
            yield
        finally:
            if self.server.is_running:
                self._session = self._open(self.server)
                self.indexes = self.indexes.moved(self.server, self.connection)
                self._session.prepare(SWITCHING)

    def _open(self, server: Server) -> Session:
        return Session(self._open_session(server), read=lambda text: Plan.unread(self.indexes.named(text)))

    def _reopened(self) -> Session:
        """Start the server where it does not run; wait while it recovers, or while what is left of it still ends."""
        deadline = time.monotonic() + _REVIVAL_SECONDS
        while True:
            try:
                self.server.start()
                return self._open(self.server)
            except (EmbeddedError, SourceError) as error:
                if time.monotonic() > deadline or getattr(error, "code", "") == "embedded.destroyed":
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _ask(self, task: Task, statistics: HypotheticalStatistics) -> list[Answer]:
        beyond = [c.kind for c in task.changes if isinstance(c, SetStatisticsTarget | SetDistinct | RestoreStatistics)]
        if beyond:
            # What they do is done by ANALYZE, and there are no rows; a target can be thought as a StatisticsTarget.
            return [PlanFailure("", f"{beyond[0]} cannot be thought on a twin: it has no rows")] * len(task.questions)
        if any(isinstance(c, DropStatistics) or statistics.is_in_force(c, task.changes) for c in task.changes):
            return self._session.ask_singly(task, lambda: self._set_up(task.changes, statistics))
        return self._session.ask(task, [*self.indexes.switches(task.changes), *_settings(task.changes)])

    def _set_up(self, changes: Sequence[Hypothesis], statistics: HypotheticalStatistics) -> None:
        with lent(self.connection, self._secret):
            for change in changes:
                if isinstance(change, DropStatistics):
                    self.connection.execute(change.sql().encode())
                if isinstance(change, CreateStatistics | StatisticsTarget) and statistics.is_in_force(change, changes):
                    statistics.store(self.connection, change, changes)
        for statement in [*self.indexes.switches(changes), *_settings(changes)]:
            self.connection.execute(statement.text.encode(), statement.values)


def _settings(changes: Sequence[Hypothesis]) -> list[Statement]:
    return [setting_statement(change) for change in changes if isinstance(change, SetSetting)]
