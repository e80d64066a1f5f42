"""What ran in a stretch of time, as the watcher's file keeps it: arrays, compressed, by statements' numbers.

Joining stretches keeps the heaviest statements one by one and the rest as one. It reads and writes no file.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Interval

_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Slot:
    """What ran in a stretch of time, by statements' numbers; 0 is all that are not kept one by one."""

    tier: int
    start_ns: int
    seconds: float
    active_sessions: float
    numbers: np.ndarray
    counts: np.ndarray


def pack(slot: Slot) -> tuple[bytes, bytes]:
    """Return the numbers and the counts as bytes; counts in single precision, which is ample for sums of a round."""
    numbers, counts = slot.numbers.astype("<i8").tobytes(), slot.counts.astype("<f4").tobytes()
    return zlib.compress(numbers, 1), zlib.compress(counts, 1)


def unpack(tier: int, start_ns: int, seconds: float, active: float, numbers: bytes, counts: bytes) -> Slot:
    """Return the slot of a row, whose bytes `pack` has made."""
    of = np.frombuffer(zlib.decompress(numbers), dtype="<i8")
    table = np.frombuffer(zlib.decompress(counts), dtype="<f4").reshape(len(of), _COLUMNS).astype(float)
    return Slot(tier, start_ns, seconds, active, of, table)


def joined(tier: int, start_ns: int, parts: Sequence[Slot], most: int) -> Slot:
    """Sum the parts by statement; the lightest become one, under number 0."""
    numbers, where = np.unique(np.concatenate([part.numbers for part in parts]), return_inverse=True)
    counts = np.zeros((len(numbers), parts[0].counts.shape[1]))
    np.add.at(counts, where, np.concatenate([part.counts for part in parts]))
    if len(numbers) > most:
        order = np.argsort(np.where(numbers == 0, -1.0, counts[:, 1]), kind="stable")[::-1]
        kept, rest = order[:most], order[most:]
        numbers = np.append(numbers[kept], 0)
        counts = np.vstack([counts[kept], counts[rest].sum(axis=0)])
    seconds = sum(part.seconds for part in parts)
    active = sum(part.active_sessions * part.seconds for part in parts) / seconds if seconds else 0.0
    return Slot(tier, start_ns, seconds, active, numbers, counts)


def interval_of(slot: Slot, by_number: Mapping[int, StatementKey]) -> Interval:
    """Return what ran by the statements' keys; statements that were forgotten since are left out."""
    rows = [row for row, number in enumerate(slot.numbers.tolist()) if number in by_number]
    keys = tuple(by_number[int(slot.numbers[row])] for row in rows)
    return Interval(slot.start_ns, slot.seconds, slot.active_sessions, keys, slot.counts[rows])
