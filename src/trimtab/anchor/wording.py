"""How a series' values, moments and events are called in a sentence, and which way is to the worse.

Names come from other people's databases: they are made printable and short here. Nothing is found or judged.
"""

from __future__ import annotations

from datetime import UTC, datetime

from trimtab.model.evolution import Association, Event, Evolution, Scale

_LONGEST_NAME = 80


def is_worse(evolution: Evolution, shift: float) -> bool:
    """Return whether a shift (a factor, or by difference a summand) is to the worse."""
    none = 1.0 if evolution.series.scale is Scale.RATIO else 0.0
    return (shift > none) == evolution.series.lower_is_better and shift != none


def is_close(evolution: Evolution, association: Association) -> bool:
    """Return whether the event precedes more closely than chance would put one, all pairs considered."""
    return association.adjusted_p <= evolution.rules.association_rate


def printable(text: str) -> str:
    """Return a name on one line without control characters, cut to a readable length."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def named(event: Event) -> str:
    """Return the event's kind, id and subject as a sentence calls it."""
    object_name = f" ({printable(event.subject)})" if event.subject else ""
    return f"{event.kind.value.replace('_', ' ')} {printable(event.id)}{object_name}"


def beginning(text: str) -> str:
    """Return the text as a sentence begins; the names in it stay as they are."""
    return text[:1].upper() + text[1:]


def moment(time_ns: int) -> str:
    """Return a time as text, to the second, UTC."""
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def quantity(value: float, unit: str) -> str:
    """Return a value with four significant digits and its unit."""
    return f"{value:,.4g} {unit}".strip() if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:,.3g} {unit}".strip()


def percent(share: float, digits: int = 0, *, sign: bool = False) -> str:
    """Return a share as per cent."""
    return f"{100 * share:{'+' if sign else ''}.{digits}f} %"


def chance(p_value: float) -> str:
    """Return a chance as text: below a millionth no approximation is good enough for a number."""
    return f"{p_value:.2g}" if p_value >= 1e-6 else "less than 1e-06"


def compared(evolution: Evolution, value: float, other: float) -> float:
    """Return a value against another one: by ratio or by difference."""
    return value / other if evolution.series.scale is Scale.RATIO else value - other


def told_shift(evolution: Evolution, shift: float) -> str:
    """Return a shift as text."""
    ratio = evolution.series.scale is Scale.RATIO
    return f"{shift:.3g} times" if ratio else f"{shift:+.3g} {evolution.series.unit}".strip()


def told_bounds(evolution: Evolution, low: float, high: float) -> str:
    """Return the bounds of a shift as text."""
    return f"{low:.3g} to {told_shift(evolution, high)}" if low != high else told_shift(evolution, low)


def margin(evolution: Evolution) -> str:
    """Return the smallest shift that counts as text."""
    least = evolution.rules.min_shift
    return f"{percent(least)}" if evolution.series.scale is Scale.RATIO else quantity(least, evolution.series.unit)


def subject(evolution: Evolution) -> str:
    """Return what the series is of."""
    return f"{printable(evolution.series.dimension).replace('_', ' ')} of {printable(evolution.series.id)}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
