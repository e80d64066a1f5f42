"""The proposers, in the order in which their strategies are tried: first what costs no disk and no write.

Built-ins and third parties register alike: an entry point in the group `trimtab.proposers` that names a function from a
Context to a list of Strategies. The built-in order is PROPOSERS; third parties follow by name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeAlias

from trimtab.model.strategy import Strategy
from trimtab.propose import drops, indexes, settings, statistics
from trimtab.propose.context import Context

Proposer: TypeAlias = Callable[[Context], list[Strategy]]

PROPOSERS: tuple[tuple[str, Proposer], ...] = (
    (statistics.NAME, statistics.propose),
    (settings.NAME, settings.propose),
    (indexes.NAME, indexes.propose),
    (drops.NAME, drops.propose),
)


def all_proposers() -> tuple[tuple[str, Proposer], ...]:
    """Return the built-in proposers and, after them, those of installed third parties."""
    third_parties = sorted(entry_points(group="trimtab.proposers"), key=lambda point: point.name)
    return PROPOSERS + tuple((point.name, point.load()) for point in third_parties)
