"""The `optimization_analytics` document: the original's four groups, each figure with its window and its source.

`shown` is how the original writes a figure ("+42.3%", six sigma); one that was not measured has a null value, says "not
measured", and why.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trimtab.report.figures import duration, size

if TYPE_CHECKING:
    from trimtab.history.values import Window
    from trimtab.lifecycle.reported import Measured, OptimizationReport

NOT_MEASURED = "not measured"
_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def analytics_document(report: OptimizationReport) -> dict[str, object]:
    """Return the four groups by their names."""
    return {
        group: {figure.name: figure_document(figure) for figure in figures}
        for group, figures in report.analytics.items()
    }


def analytics_yaml(report: OptimizationReport) -> str:
    """Return the document as YAML, under the name that it has in the original."""
    import yaml

    document = {"optimization_analytics": analytics_document(report)}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def figure_document(figure: Measured) -> dict[str, object]:
    """Return one figure as JSON and YAML take it."""
    return {
        "shown": shown(figure),
        "value": _rounded(figure.value),
        "unit": figure.unit,
        "low": _rounded(figure.low),
        "high": _rounded(figure.high),
        "confidence": figure.confidence,
        "counted": figure.counted,
        "window": window_document(figure.window),
        "source": figure.source,
        "why": figure.why,
    }


def window_document(window: Window) -> dict[str, object]:
    """Return a window as documents hold it."""
    return {"begin": moment(window.begin_ns), "end": moment(window.end_ns)}


def shown(figure: Measured) -> str:
    """Return the value as the original writes it, or that it was not measured."""
    return NOT_MEASURED if figure.value is None else quantity(figure.value, figure.unit)


def interval(figure: Measured) -> str:
    """Return the interval in words, "" where none was measured."""
    if figure.low is None and figure.high is None:
        return ""
    at = "" if figure.confidence is None else f" ({figure.confidence:.0%})"
    if figure.high is None or figure.low is None:
        end, value = ("at least", figure.low) if figure.low is not None else ("at most", figure.high)
        return f"{end} {quantity(value or 0.0, figure.unit)}{at}"
    return f"{quantity(figure.low, figure.unit)} to {quantity(figure.high, figure.unit)}{at}"


def quantity(value: float, unit: str) -> str:
    """Return a value with its unit, as people write it."""
    match unit:
        case "gain":
            return f"{100 * value:+.1f}%"
        case "share":
            return f"{100 * value:.2f}%" if 0.99 < value < 1 or 0 < value < 0.01 else f"{100 * value:.1f}%"
        case "sigma":
            return f"{value:.2f}{_SIGMA}"
        case "s":
            return duration(value * 1000)
        case "ms":
            return duration(value)
        case "B":
            return size(round(value))
        case _:
            return f"{value:,.4g} {unit}".strip()


def moment(at_ns: int) -> str:
    """Return a moment as documents hold it: ISO 8601, UTC."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).isoformat(timespec="seconds")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
