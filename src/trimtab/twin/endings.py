"""What happens when the session that plans ends in the middle: it is brought back, and what was asked is asked again.

First all together, for accidents end sessions too; then one question at a time, so that one whose planning ends the
session fails alone. How a session is brought back, and how often, is the engine's to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import psycopg

from trimtab.errors import TrimtabError
from trimtab.model.whatif import PlanFailure
from trimtab.twin.cache import Answer, Relations, Task

Result = TypeVar("Result")


class Mortal(Protocol):
    """What plans in a session that may end."""

    @property
    def is_alive(self) -> bool:
        """Whether its session can be used."""
        ...

    def revive(self) -> None:
        """Bring the session back where it ended. Raises what it met when it does not come back."""
        ...


def steadily(engine: Mortal, work: Callable[[], Result]) -> Result:
    """Do this work of the engine; where its session ends meanwhile, bring it back and do it once more."""
    engine.revive()
    try:
        return work()
    except (psycopg.Error, TrimtabError):
        if engine.is_alive:
            raise
    engine.revive()
    return work()


def learned(
    engine: Mortal, learn: Callable[[], tuple[Answer, Relations | None]], ended: PlanFailure
) -> tuple[Answer, Relations | None]:
    """Return what `learn` says of one question; `ended` when its session ends each time."""
    try:
        return steadily(engine, learn)
    except (psycopg.Error, TrimtabError):
        if engine.is_alive:
            raise
    engine.revive()
    return ended, None


def answered(engine: Mortal, task: Task, ask: Callable[[Task], list[Answer]], ended: PlanFailure) -> list[Answer]:
    """Return the answers of `ask` to the task; `ended` for a question that ends the session when it is asked alone."""
    try:
        return ask(task)
    except (psycopg.Error, TrimtabError):
        if engine.is_alive:
            raise
    answers: list[Answer] = []
    engine.revive()
    for piece in task.pieces(1):
        try:
            answers += ask(piece)
        except (psycopg.Error, TrimtabError):
            if engine.is_alive:
                raise
            answers.append(ended)
            engine.revive()
    return answers
