"""What ran in a kept stretch of time, by the statements' keys instead of a file's numbers. Reads and writes no file."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.history.slots import Slot
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Interval


def interval_of(slot: Slot, by_number: Mapping[int, StatementKey]) -> Interval:
    """Return what ran by the statements' keys; statements that were forgotten since are left out."""
    rows = [row for row, number in enumerate(slot.numbers.tolist()) if number in by_number]
    keys = tuple(by_number[int(slot.numbers[row])] for row in rows)
    return Interval(slot.start_ns, slot.seconds, slot.active_sessions, keys, slot.counts[rows])
