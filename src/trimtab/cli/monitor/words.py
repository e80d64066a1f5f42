"""How the monitor writes numbers, times and trails: short, in plain characters where asked, None as a dash."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.cli.text import duration, printable

NOT_MEASURED = "not measured"
DASH = "-"
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.:-=+*#"
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float | None, unit: str = "") -> str:
    """Return a number with its unit: 1.2 k/s, 3.4 MB/s, 94.7 %, 12 ms; "-" for None."""
    if value is None:
        return DASH
    match unit:
        case "ratio":
            return f"{100 * value:.1f} %"
        case "factor":
            return f"{value:.2f}x"
        case "ms":
            return duration(value)
        case "s":
            return seconds(value)
        case "B" | "B/s":
            return f"{_short(value)}{unit}"
        case "1/s":
            return f"{_short(value).strip()}/s"
        case _:
            return _short(value).strip()


def seconds(value: float | None) -> str:
    """Return a length of time in two of its units at most: 0.12 ms, 8.0 s, 3m20s, 2h05m, 4d03h."""
    if value is None:
        return DASH
    if value < 1:
        return duration(value * 1000)
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    whole = int(value)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def trail(values: Sequence[float | None], width: int, *, is_plain: bool = False) -> str:
    """Return the last values as bars between zero and the largest of them; a blank where nothing was measured."""
    bars = _PLAIN_BARS if is_plain else _BARS
    shown = list(values)[-width:]
    most = max((value for value in shown if value is not None), default=0.0)
    text = "".join(
        " " if value is None else bars[min(int(value / most * len(bars)), len(bars) - 1)] if most > 0 else bars[0]
        for value in shown
    )
    return text.rjust(width)


def cut(text: str, width: int) -> str:
    """Return a text of the server's, its control characters shown, in at most so many columns."""
    shown = printable(text, limit=width * 4 + 8)
    return shown if len(shown) <= width else shown[: max(width - 1, 0)] + "…"


def version(number_: int) -> str:
    """Return server_version_num as people write it."""
    return f"{number_ // 10000}.{number_ % 10000}" if number_ else DASH


def _short(value: float) -> str:
    for size, letter in _STEPS:
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f} " if value == int(value) else f"{value:.3g} "
