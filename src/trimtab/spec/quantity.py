"""A number with a unit, written as PostgreSQL writes it: "256MB", "5s", "1.1". Reads and writes; decides nothing.

Memory is kept in bytes and time in milliseconds, so that two quantities of one dimension compare by value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Dimension: TypeAlias = Literal["number", "memory", "time"]

_BYTES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_BLOCK = re.compile(r"([1-9][0-9]{0,5})(kB|MB)")
_TEXT = re.compile(r"([-+]?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,24})?(?:[eE][-+]?[0-9]{1,2})?)\s*([A-Za-z]*)")
LARGEST = 2**53 - 1  # what RFC 8785 can write exactly


@dataclass(frozen=True, slots=True)
class Quantity:
    """`value` in bytes, milliseconds or, for "number", in nothing."""

    value: int | float
    dimension: Dimension

    def text(self) -> str:
        """Return it with the largest unit that divides it exactly; `parse_quantity` reads it back as the same."""
        if self.dimension == "number":
            return f"{self.value!r}"
        units = _BYTES if self.dimension == "memory" else _MILLISECONDS
        for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
            count = int(self.value / factor)
            if count * factor == self.value and (count != 0 or factor == 1):
                return f"{count}{unit}"
        return f"{self.value!r}{'B' if self.dimension == 'memory' else 'ms'}"


def parse_quantity(text: str, default_unit: str | None = None) -> Quantity:
    """Return what the text says. A bare number takes `default_unit`, pg_settings' own ("kB", "8kB", "ms"), if any.

    Raises ValueError, without the text in its message, for anything else; units are case-sensitive, as in PostgreSQL.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a number with an optional unit, such as 256MB, 5s or 1.1")
    number = _number(match[1])
    if match[2]:
        return _scaled(number, 1, match[2])
    if default_unit is None:
        return Quantity(number, "number")
    block = _BLOCK.fullmatch(default_unit)
    return _scaled(number, int(block[1]), block[2]) if block else _scaled(number, 1, default_unit)


def parse_size_bytes(text: str) -> int:
    """Return the bytes that "10GB" means. Raises ValueError when there is no unit of memory, or it is negative."""
    quantity = parse_quantity(text)
    if quantity.dimension != "memory" or quantity.value < 0 or quantity.value != int(quantity.value):
        raise ValueError("not a size with its unit, such as 512MB or 10GB (B, kB, MB, GB, TB)")
    return int(quantity.value)


def size_text(size_bytes: int) -> str:
    """Return the size exactly, with its largest unit."""
    return Quantity(size_bytes, "memory").text()


def _number(text: str) -> int | float:
    value = float(text)
    if abs(value) > LARGEST:
        raise ValueError("the number is too large")
    return int(value) if value == int(value) else value


def _scaled(number: int | float, times: int, unit: str) -> Quantity:
    if unit in _BYTES:
        dimension: Dimension = "memory"
        value = number * times * _BYTES[unit]
    elif unit in _MILLISECONDS:
        dimension, value = "time", number * times * _MILLISECONDS[unit]
    else:
        raise ValueError("unknown unit (memory: B, kB, MB, GB, TB; time: us, ms, s, min, h, d)")
    if abs(value) > LARGEST:
        raise ValueError("the number is too large")
    return Quantity(int(value) if value == int(value) else value, dimension)
