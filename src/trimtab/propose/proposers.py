"""The proposers, in the order in which their strategies are tried: first what costs no disk and no write.

The built-in ones are PROPOSERS. A third party's is a function from a Context to a list of Strategies that an installed
distribution names by an entry point in the group `trimtab.proposers`; they follow, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TypeAlias

from trimtab.errors import ConfigError
from trimtab.model.strategy import Strategy
from trimtab.propose import drops, indexes, merges, rebuilds, settings, statistics
from trimtab.propose.context import Context

GROUP = "trimtab.proposers"

Proposer: TypeAlias = Callable[[Context], list[Strategy]]

PROPOSERS: tuple[tuple[str, Proposer], ...] = (
    (statistics.NAME, statistics.propose),
    (indexes.NAME, indexes.propose),
    (drops.NAME, drops.propose),
    (merges.NAME, merges.propose),
    (rebuilds.NAME, rebuilds.propose),
    # They touch the most queries: the last to prove themselves, on what is then left to gain.
    (settings.NAME, settings.propose),
)


def all_proposers() -> tuple[tuple[str, Proposer], ...]:
    """Return the built-in proposers and, after them, those of installed third parties.

    Raises ConfigError `proposer.broken` for one that cannot be loaded: a run must not silently do less than it could.
    """
    third_parties = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return PROPOSERS + tuple((point.name, _loaded(point)) for point in third_parties)


def _loaded(point: EntryPoint) -> Proposer:
    try:
        proposer = point.load()
    except Exception as error:  # whatever a third party's module does when it is imported
        raise _broken(point, f"loading it raised {type(error).__name__}") from error
    if not callable(proposer):
        raise _broken(point, "it is not a function")
    loaded: Proposer = proposer
    return loaded


def _broken(point: EntryPoint, found: str) -> ConfigError:
    distribution = point.dist.name if point.dist is not None else "unknown"
    return ConfigError(
        f"the proposer {point.name} of the distribution {distribution} cannot be used: {found}",
        code="proposer.broken",
        next_step="Update or uninstall the distribution that brings it.",
    )
