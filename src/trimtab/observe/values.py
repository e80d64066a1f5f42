"""Draws values for parameters from a column's statistics: a value that occurs, a narrow range, a new key.

Pure: the same random numbers give the same values. A value is text, as the server reads it; None means that nothing fit
was found, never NULL.
"""

from __future__ import annotations

import math
import re
import uuid
from bisect import bisect
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random

from trimtab.observe.column_facts import ColumnFacts, ParameterType

_ANY_COUNT = 3
_PATTERN_CHARACTERS = 3
_NEW_KEY_SPREAD = 1_000_000
# A bound alone keeps the outer part of the column's rows: such conditions ask for the newest, the oldest, the largest.
_OUTER_PART = 0.1
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_TYPICAL = {"N": "1", "S": "a", "B": "true", "T": "1 day", "A": "{}"}
_TYPICAL_BY_NAME = {
    "date": "2000-01-01",
    "timestamp without time zone": "2000-01-01 00:00:00",
    "timestamp with time zone": "2000-01-01 00:00:00+00",
    "time without time zone": "12:00:00",
    "time with time zone": "12:00:00+00",
    "json": "{}",
    "jsonb": "{}",
    "inet": "127.0.0.1",
    "cidr": "127.0.0.0/8",
    "bytea": "",
}
_CLOCK_TIMES = ("time without time zone", "time with time zone")


def occurring(facts: ColumnFacts, random: Random) -> str | None:
    """Return a value of the column, common ones as often as they occur. One random number decides: the same number
    gives values of the same rank in every column.
    """
    rank = random.random()
    common = (min(sum(facts.frequencies), 1.0) if facts.bounds else 1.0) if facts.common_values else 0.0
    if rank < common:
        reached = list(accumulate(_weights(facts) or (1.0,) * len(facts.common_values)))
        return facts.common_values[bisect(reached, rank / common * reached[-1], hi=len(reached) - 1)]
    if not facts.bounds:
        return None
    return facts.bounds[min(int((rank - common) / (1.0 - common) * len(facts.bounds)), len(facts.bounds) - 1)]


def several(facts: ColumnFacts, random: Random) -> str | None:
    """Return an array of a few values of the column, in the server's notation."""
    drawn = [value for _ in range(_ANY_COUNT) if (value := occurring(facts, random)) is not None]
    if not drawn:
        return None
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in dict.fromkeys(drawn)]
    return "{" + ",".join(quoted) + "}"


def outer_bound(facts: ColumnFacts, random: Random, *, is_low: bool) -> str | None:
    """Return a bound that keeps the upper (`is_low`: a lower bound) or the lower tenth of the column's rows."""
    ordered = _ordered(facts)
    if not ordered:
        return None
    reach = max(1, int(len(ordered) * _OUTER_PART))
    place = random.randrange(reach)
    return ordered[-1 - place] if is_low else ordered[place]


def narrow_range(facts: ColumnFacts, random: Random) -> tuple[str, str] | None:
    """Return two values in order with few rows between them: neighbours in the histogram."""
    ordered = _ordered(facts)
    if not ordered:
        return None
    if len(ordered) == 1:
        return ordered[0], ordered[0]
    place = random.randrange(len(ordered) - 1)
    return ordered[place], ordered[place + 1]


def pattern(facts: ColumnFacts, random: Random) -> str | None:
    """Return a LIKE pattern: the beginning of a value of the column."""
    value = occurring(facts, random)
    return None if value is None else re.sub(r"([\\%_])", r"\\\1", value[:_PATTERN_CHARACTERS]) + "%"


def regex(facts: ColumnFacts, random: Random) -> str | None:
    """Return a regular expression for the beginning of a value of the column."""
    value = occurring(facts, random)
    return None if value is None else "^" + re.sub(r"([^\w\s])", r"\\\1", value[:_PATTERN_CHARACTERS])


def new_key(facts: ColumnFacts, random: Random) -> str | None:
    """Return a value that the column does not hold yet, as far as its statistics tell."""
    if facts.type_name == "uuid":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    offset = random.randrange(1, _NEW_KEY_SPREAD)
    if facts.category == "S":
        value = f"{occurring(facts, random) or 'a'}-{random.getrandbits(48):012x}"
        return value if facts.max_length is None else value[-facts.max_length :]
    ordered = _ordered(facts)
    last = ordered[-1] if ordered else None
    if facts.type_name in _LARGEST:
        return str(min(int(last or 0) + offset, _LARGEST[facts.type_name] - random.randrange(1000)))
    if facts.category == "N":
        return str(int(float(last or 0)) + offset)
    if last is not None and facts.type_name.startswith(("timestamp", "date")):
        return _later(last, offset)
    return occurring(facts, random)


def typical(kind: ParameterType, random: Random) -> str | None:
    """Return some value of a type, for a parameter of which nothing else is known."""
    if kind.label is not None:
        return kind.label
    if kind.name == "uuid":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    return _TYPICAL_BY_NAME.get(kind.name, _TYPICAL.get(kind.category))


def fitted(value: str | None, facts: ColumnFacts, kind: ParameterType) -> str | None:
    """Return the column's value as one of the parameter's type, or None where the types have nothing in common."""
    if value is None or facts.type_oid == kind.oid:
        return value
    is_clock = facts.type_name in _CLOCK_TIMES or kind.name in _CLOCK_TIMES
    if facts.category != kind.category or facts.category not in "NSD" or is_clock:
        return None
    if kind.name in _LARGEST and re.fullmatch(r"-?\d+\.\d+", value):
        return value.partition(".")[0]
    return value


def _weights(facts: ColumnFacts) -> tuple[float, ...] | None:
    is_whole = len(facts.frequencies) == len(facts.common_values) and sum(facts.frequencies) > 0
    return facts.frequencies if is_whole else None


def _ordered(facts: ColumnFacts) -> tuple[str, ...]:
    """Return values in the column's order: the histogram's, or the common ones where they are all that there is."""
    if facts.bounds:
        return facts.bounds
    if facts.category == "N":
        return tuple(sorted(facts.common_values, key=_number))
    return tuple(sorted(facts.common_values))


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return float("inf") if math.isnan(number) else number


def _later(last: str, offset: int) -> str | None:
    try:
        moment = datetime.fromisoformat(last)
        return str(moment + timedelta(seconds=offset))
    except (ValueError, OverflowError):
        return last
