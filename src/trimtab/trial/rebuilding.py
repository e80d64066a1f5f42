"""Judges a rebuild by what a lab can measure of it: how large a new index is there, against the source's.

A lab's index is new, or of another age, so that no pair of runs shows what the source's reads gain: that is seen on the
source itself, when the strategy is settled. Pure.
"""

from __future__ import annotations

from trimtab.model.change import RebuildIndex
from trimtab.model.strategy import Decision, Strategy
from trimtab.trial.limits import TrialLimits
from trimtab.trial.tally import Ruling


def is_rebuild(strategy: Strategy) -> bool:
    """True when all that the strategy does is to rebuild indexes."""
    return bool(strategy.changes) and all(isinstance(change, RebuildIndex) for change in strategy.changes)


def held_bytes(strategy: Strategy, change: RebuildIndex) -> int:
    """Return what the index holds on the source, by the evidence; 0 where that says nothing."""
    held = strategy.evidence.get(f"held_bytes.{change.name}")
    return int(held) if isinstance(held, int | float) else 0


def ruling_on_rebuild(strategy: Strategy, freed_bytes: int, limits: TrialLimits) -> Ruling:
    """Return whether the new indexes are as much smaller as they have to be."""
    held = sum(held_bytes(strategy, change) for change in strategy.changes if isinstance(change, RebuildIndex))
    new = f"built anew in the lab it holds {held - freed_bytes:,} bytes, {held:,} on the source"
    if freed_bytes < limits.min_freed_bytes or 100 * freed_bytes < limits.min_freed_percent * held:
        least = f"{limits.min_freed_bytes:,} bytes and {limits.min_freed_percent:g} % are to be freed"
        return Ruling(Decision.NO_GAIN, f"{new}: {least}")
    return Ruling(Decision.ACCEPTED, f"{new}: frees {freed_bytes:,} bytes, {100 * freed_bytes / (held or 1):.0f} %")
