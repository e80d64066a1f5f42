"""What ran in a stretch of time, as a store keeps it: arrays, compressed, by statements' numbers.

Joining stretches keeps the heaviest statements one by one and the rest as one. It reads and writes no file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

COLUMNS = 6
"""So many things are counted of a statement (`model/watched.py` names them)."""
SET_BACK_NS = 86_400 * 10**9
"""Where a clock was set back, what lies further ahead than this is met when its time comes."""
_SHUFFLED = b"\x02"
"""What bytes begin with whose columns were shuffled; older ones are a zlib stream, which begins with another byte."""
_ROUNDED_COLUMNS = (1, 2)
_ROUNDING_BITS = 8


@dataclass(frozen=True, slots=True)
class Slot:
    """What ran in a stretch of time, by statements' numbers; 0 is all that are not kept one by one."""

    tier: int
    start_ns: int
    seconds: float
    active_sessions: float
    numbers: np.ndarray
    counts: np.ndarray


def pack(slot: Slot, *, is_rounded: bool = False) -> tuple[bytes, bytes]:
    """Return the numbers and the counts as bytes; counts in single precision, which is ample for sums of a round.

    `is_rounded` keeps times and their squares to one part in 65,000: what compression cannot make smaller.
    """
    counts = slot.counts.astype("<f4")
    if is_rounded:
        for column in _ROUNDED_COLUMNS:
            counts[:, column] = _rounded(counts[:, column])
    numbers = np.diff(slot.numbers.astype("<i8"), prepend=0).astype("<i8")
    return _packed(numbers[:, np.newaxis], 8), _packed(counts, 4)


def unpack(tier: int, start_ns: int, seconds: float, active: float, numbers: bytes, counts: bytes) -> Slot:
    """Return the slot of a row, whose bytes `pack` has made, in this version or in the one before."""
    if not numbers.startswith(_SHUFFLED):
        of = np.frombuffer(zlib.decompress(numbers), dtype="<i8")
        table = np.frombuffer(zlib.decompress(counts), dtype="<f4").reshape(len(of), COLUMNS).astype(float)
        return Slot(tier, start_ns, seconds, active, of, table)
    steps = _unpacked(numbers, "<i8", 1)[:, 0]
    return Slot(tier, start_ns, seconds, active, np.cumsum(steps), _unpacked(counts, "<f4", COLUMNS).astype(float))


def joined(tier: int, start_ns: int, parts: Sequence[Slot], most: int) -> Slot:
    """Sum the parts by statement; the lightest become one, under number 0."""
    numbers, where = np.unique(np.concatenate([part.numbers for part in parts]), return_inverse=True)
    counts = np.zeros((len(numbers), parts[0].counts.shape[1]))
    np.add.at(counts, where, np.concatenate([part.counts for part in parts]))
    if len(numbers) > most:
        order = np.argsort(np.where(numbers == 0, -1.0, counts[:, 1]), kind="stable")[::-1]
        kept, rest = np.sort(order[:most]), order[most:]
        numbers = np.append(0, numbers[kept])
        counts = np.vstack([counts[rest].sum(axis=0), counts[kept]])
    seconds = sum(part.seconds for part in parts)
    active = sum(part.active_sessions * part.seconds for part in parts) / seconds if seconds else 0.0
    return Slot(tier, start_ns, seconds, active, numbers, counts)


def groups(slots: Iterable[Slot], length_ns: int) -> dict[int, list[Slot]]:
    """Return the slots by the beginning of the stretch of that length in which each began."""
    by_start: dict[int, list[Slot]] = {}
    for slot in slots:
        by_start.setdefault(slot.start_ns - slot.start_ns % length_ns, []).append(slot)
    return dict(sorted(by_start.items()))


def moved_aside(starts: Sequence[int], length_ns: int) -> dict[int, int]:
    """Return where stretches go whose times are told again, by where they began: a nanosecond or more later.

    `starts` are all that lie ahead. Who was moved before stays; whole lengths are free for what comes.
    """
    step = 1 + max((start % length_ns for start in starts), default=0)
    return {start: start + step for start in starts if not start % length_ns}


def _packed(table: np.ndarray, width: int) -> bytes:
    """First bytes beside first bytes, column by column: like stands beside like."""
    shuffled = np.ascontiguousarray(table.T).view(np.uint8).reshape(table.shape[1], len(table), width)
    return _SHUFFLED + zlib.compress(np.ascontiguousarray(shuffled.transpose(0, 2, 1)).tobytes(), 1)


def _unpacked(raw: bytes, kind: str, columns: int) -> np.ndarray:
    width = np.dtype(kind).itemsize
    plain = np.frombuffer(zlib.decompress(raw[len(_SHUFFLED) :]), dtype=np.uint8).reshape(columns, width, -1)
    return np.ascontiguousarray(plain.transpose(0, 2, 1)).view(kind)[:, :, 0].T


def _rounded(column: np.ndarray) -> np.ndarray:
    """The lowest bits of the fractions become zero, to the nearest."""
    bits = column.view("<u4").astype(np.uint64) + (1 << (_ROUNDING_BITS - 1))
    return (bits & ~np.uint64((1 << _ROUNDING_BITS) - 1)).astype("<u4").view("<f4")
