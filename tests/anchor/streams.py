"""Series for these tests: noise of several kinds, and points an hour apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.model.evolution import Event, EventKind, Point, Scale, Series

HOUR_NS = 3_600_000_000_000
START_NS = 1_790_000_000_000_000_000 // HOUR_NS * HOUR_NS

NOISES = ("normal", "lognormal", "cauchy", "autocorrelated")


def noise(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return independent noise, or an autoregressive process of order 1 with the correlation 0.6."""
    if kind == "lognormal":
        return rng.lognormal(0.0, 1.0, count)
    if kind == "cauchy":
        return rng.standard_cauchy(count)
    innovations = rng.normal(size=count + 100)
    if kind == "normal":
        return innovations[:count]
    found = np.empty_like(innovations)
    found[0] = innovations[0]
    for number in range(1, len(found)):
        found[number] = 0.6 * found[number - 1] + innovations[number]
    return found[100:]


def series(
    values: Sequence[float] | NDArray[np.float64],
    *,
    step_ns: int = HOUR_NS,
    scale: Scale = Scale.RATIO,
    name: str = "q1",
) -> Series:
    points = tuple(Point(START_NS + number * step_ns, float(value), 50.0) for number, value in enumerate(values))
    return Series(name, "response_latency", "ms", points, scale)


def event(hour: float, kind: EventKind = EventKind.CHANGE_APPLIED, name: str = "s-1", subject: str = "") -> Event:
    return Event(START_NS + int(hour * HOUR_NS), kind, name, subject)
