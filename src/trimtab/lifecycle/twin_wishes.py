"""Reads the hypothetical changes of `trimtab twin explain` as a person wrote them.

One that cannot be read, or that names what is not there, is refused alone, with its reason: the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from trimtab.db.connection import Connection
from trimtab.errors import UsageError
from trimtab.model.change import CreateIndex, CreateStatistics, DropIndex, DropStatistics, SetSetting
from trimtab.model.whatif import Hypothesis, StatisticsTarget
from trimtab.twin import ddl

Change = TypeVar("Change", bound=Hypothesis)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hypothetical changes as a person wrote them.

    CREATE INDEX statements, names of indexes, name=value, CREATE STATISTICS statements, table.column=target.
    """

    indexes: Sequence[str] = ()
    drops: Sequence[str] = ()
    settings: Sequence[str] = ()
    statistics: Sequence[str] = ()
    targets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wish(Generic[Change]):
    """One of them: as it was written, and the change that it is; None with the reason and its code where it is none."""

    written: str
    change: Change | None
    refusal: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """The wishes that were read, of each kind in the order in which they were written."""

    indexes: tuple[Wish[CreateIndex], ...]
    drops: tuple[Wish[DropIndex | DropStatistics], ...]
    settings: tuple[Wish[SetSetting], ...]
    statistics: tuple[Wish[CreateStatistics], ...]
    targets: tuple[Wish[StatisticsTarget], ...]

    @property
    def changes(self) -> list[Hypothesis]:
        """All that are changes: what a configuration can hold."""
        found: list[Hypothesis | None] = [
            *(wish.change for wish in self.indexes),
            *(wish.change for wish in self.drops),
            *(wish.change for wish in self.settings),
            *(wish.change for wish in self.statistics),
            *(wish.change for wish in self.targets),
        ]
        return [change for change in found if change is not None]

    def with_refused(self, refusal: str, code: str) -> Read:
        """Return them with all refused that no added index and no setting is: for an engine that knows no other."""

        def refused(wish: Wish[Change]) -> Wish[Change]:
            return wish if wish.change is None else Wish(wish.written, None, refusal, code)

        return replace(
            self,
            drops=tuple(refused(wish) for wish in self.drops),
            statistics=tuple(refused(wish) for wish in self.statistics),
            targets=tuple(refused(wish) for wish in self.targets),
        )


def read_wishes(wishes: Wishes, reader: Connection, planner: Connection) -> Read:
    """Return what they are. `reader` finds names, `planner` is a session like the one that plans.

    Raises SourceError when a session is lost.
    """

    def settable(text: str) -> SetSetting:
        setting = ddl.set_setting(text)
        ddl.require_settable(setting, planner)
        return setting

    taken: set[tuple[str, str]] = set()

    def index(text: str, number: int) -> CreateIndex:
        change = ddl.create_index(text, reader, number)
        if (change.schema, change.name) in taken:
            raise UsageError(
                f"the hypothetical index is refused: another one of schema {change.schema} is called {change.name}",
                code="twin.index_statement",
                next_step="Give each a name of its own, or none.",
            )
        taken.add((change.schema, change.name))
        return change

    return Read(
        indexes=tuple(_wish(text, partial(index, number=n)) for n, text in enumerate(wishes.indexes, 1)),
        drops=tuple(_wish(text, partial(ddl.drop, twin=reader)) for text in wishes.drops),
        settings=tuple(_wish(text, settable) for text in wishes.settings),
        statistics=tuple(
            _wish(text, partial(ddl.create_statistics, twin=reader, number=n))
            for n, text in enumerate(wishes.statistics, 1)
        ),
        targets=tuple(_wish(text, partial(ddl.statistics_target, twin=reader)) for text in wishes.targets),
    )


def _wish(written: str, read: Callable[[str], Change]) -> Wish[Change]:
    try:
        return Wish(written, read(written))
    except UsageError as error:
        # That it is refused is said where it is told.
        found = str(error).partition("refused: ")[2] or str(error)
        return Wish(written, None, f"{found}. {error.next_step}", error.code)
