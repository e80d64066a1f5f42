"""Medians and shares for the tables of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import median


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return count, median, 90th percentile (nearest rank) and maximum."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "median": None, "p90": None, "max": None}
    return {
        "count": len(ordered),
        "median": round(median(ordered), 4),
        "p90": round(ordered[ceil(0.9 * len(ordered)) - 1], 4),
        "max": round(ordered[-1], 4),
    }


def share(part: int, whole: int) -> float | None:
    """Return the share, None of nothing."""
    return round(part / whole, 4) if whole else None
