"""Where a value and a moment stand in a picture, and which of them are written beside it. It draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, log10

_MOST_TICKS = 7
_MINUTE_NS = 60_000_000_000
_DAY_NS = 1_440 * _MINUTE_NS
_STEPS_NS = (
    *(minutes * _MINUTE_NS for minutes in (1, 5, 15, 30, 60, 180, 360, 720)),
    *(days * _DAY_NS for days in (1, 2, 7, 14, 28, 91, 182, 364)),
)
_ROOM = 0.05


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """A vertical axis between two pixels, `bottom` being the larger; logarithmic where ratios are compared."""

    low: float
    high: float
    top: float
    bottom: float
    is_logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float], *, top: float, bottom: float, is_logarithmic: bool) -> ValueAxis:
        """Return the axis on which all values have room; a single value stands in the middle."""
        moved = [log10(value) if is_logarithmic else value for value in values]
        low, high = min(moved), max(moved)
        room = (high - low) * _ROOM or (0.1 if is_logarithmic else abs(high) * 0.1 or 1.0)
        return cls(low - room, high + room, top, bottom, is_logarithmic)

    def place(self, value: float) -> float:
        """Return the pixel of a value."""
        moved = log10(value) if self.is_logarithmic else value
        return self.bottom - (moved - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def ticks(self) -> list[float]:
        """Return round values within the axis: 1, 2 and 5 of each power of ten, or equal steps where those are few."""
        if self.is_logarithmic:
            powers = range(floor(self.low), ceil(self.high) + 1)
            if len(powers) > _MOST_TICKS:
                return [10.0**power for power in powers[:: -(-len(powers) // _MOST_TICKS)] if self._holds(float(power))]
            found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            inside = [value for value in found if self._holds(log10(value))]
            if len(inside) > _MOST_TICKS:
                return [value for value in inside if abs(log10(value) - round(log10(value))) < 1e-9]
            if len(inside) > 2:
                return inside
            return _even(10.0**self.low, 10.0**self.high)
        return _even(self.low, self.high)

    def _holds(self, moved: float) -> bool:
        return self.low <= moved <= self.high


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A horizontal axis of UTC nanoseconds between two pixels."""

    start_ns: int
    end_ns: int
    left: float
    right: float

    @classmethod
    def of(cls, times_ns: Sequence[int], *, left: float, right: float) -> TimeAxis:
        """Return the axis from the first to the last moment; a single one has a minute around it."""
        start, end = min(times_ns), max(times_ns)
        return cls(start, end, left, right) if end > start else cls(start - _MINUTE_NS, end + _MINUTE_NS, left, right)

    def place(self, time_ns: int) -> float:
        """Return the pixel of a moment; one beyond the axis stands at its end."""
        share = (time_ns - self.start_ns) / (self.end_ns - self.start_ns)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def ticks(self) -> list[tuple[int, str]]:
        """Return round moments and how they are written."""
        length = self.end_ns - self.start_ns
        step = next((step for step in _STEPS_NS if length / step <= _MOST_TICKS), _STEPS_NS[-1])
        step *= max(1, -(-length // (step * _MOST_TICKS)))
        form = "%Y-%m-%d" if step >= _DAY_NS else "%m-%d %H:%M"
        first = -(-self.start_ns // step) * step
        moments = range(first, self.end_ns + 1, step)
        return [(at, datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime(form)) for at in moments]


def _even(low: float, high: float) -> list[float]:
    rough = (high - low) / _MOST_TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
    return [round(number * step, 12) for number in range(ceil(low / step), floor(high / step) + 1)]
