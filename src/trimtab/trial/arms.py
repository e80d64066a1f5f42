"""The two arms of a pair, as statements that are cheap to run and to roll back.

In the lab's transaction everything that any strategy needs is present at once: new indexes are built, old ones are
not dropped; of one that is rebuilt both arms see the same. An arm takes away what it must not see (DROP INDEX, DROP
STATISTICS: catalog work only) or sets a setting, inside a savepoint. So the inverse of a drop never has to build an
index again. Pure: it runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    fill,
)
from trimtab.model.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of an arm. `setting` is (name, value) instead of a text; a None value is the session's default."""

    text: str = ""
    setting: tuple[str, str | None] | None = None


Arm = tuple[Step, ...]


def arm(in_effect: Iterable[Strategy], absent: Iterable[Strategy] = ()) -> Arm:
    """Return the steps that make the lab look as if the changes of `in_effect` were made and those of `absent` not."""
    steps: list[Step] = []
    for strategy in absent:
        steps.extend(step for change in strategy.changes if (step := _hidden(change)) is not None)
    for strategy in in_effect:
        steps.extend(step for change in strategy.changes for step in _shown(change))
    return tuple(steps)


def _shown(change: Change) -> tuple[Step, ...]:
    match change:
        case CreateIndex() | CreateStatistics() | RestoreStatistics():
            return ()  # the last of these is not tried: `build` says so
        case RebuildIndex() | LeaveIndex():
            return ()
        case DropIndex() | DropStatistics() | SetSetting(scope="function"):
            return (Step(text=change.sql(concurrently=False)),)
        case SetStatisticsTarget() | SetDistinct():
            # Nothing that both arms could share: what ANALYZE finds then is rolled back with the arm.
            return (Step(text=change.sql()), Step(text=fill(change) or ""))
        case SetSetting():
            return (Step(setting=(change.name, change.value)),)
        case _:
            assert_never(change)


def _hidden(change: Change) -> Step | None:
    match change:
        case CreateIndex():
            gone = DropIndex(change.schema, change.table, change.name, change.tail, change.key_columns)
            return Step(text=gone.sql(concurrently=False))
        case CreateStatistics():
            return Step(text=DropStatistics(change.schema, change.table, change.name, (), ()).sql())
        case (
            DropIndex()
            | DropStatistics()
            | SetSetting()
            | SetStatisticsTarget()
            | SetDistinct()
            | RestoreStatistics()
            | RebuildIndex()
            | LeaveIndex()
        ):
            return None
        case _:
            assert_never(change)
