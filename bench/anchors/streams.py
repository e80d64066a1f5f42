"""Makes unchanged streams of milliseconds: heavy tails, autocorrelation, drift and bursts. Each row is one stream.

The first `ANCHOR` values are the anchor, the others are watched; one process makes both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator

ANCHOR = 700
WATCHED = 4000
_LENGTH = ANCHOR + WATCHED
SIGMA = 0.6


def lognormal(rng: Rng, streams: int, sigma: float = SIGMA) -> Floats:
    """Independent lognormal values."""
    return rng.lognormal(0.0, sigma, (streams, _LENGTH))


def pareto(rng: Rng, streams: int, shape: float) -> Floats:
    """Independent Pareto values; with a shape of 1 or less their mean is infinite."""
    return 1.0 + rng.pareto(shape, (streams, _LENGTH))


def autoregressive(rng: Rng, streams: int, correlation: float) -> Floats:
    """Lognormal values whose logarithms are an AR(1) process."""
    steps = rng.normal(0.0, SIGMA, (streams, _LENGTH))
    logs = np.empty_like(steps)
    logs[:, 0] = steps[:, 0]
    for number in range(1, _LENGTH):
        logs[:, number] = correlation * logs[:, number - 1] + (1 - correlation**2) ** 0.5 * steps[:, number]
    return np.exp(logs)


def block_drift(rng: Rng, streams: int, share: float = 0.1, block: int = 100) -> Floats:
    """Lognormal values; each block of executions has a level of its own, up to the share above or below."""
    levels = 1.0 + rng.uniform(-share, share, (streams, _LENGTH // block))
    return lognormal(rng, streams) * np.repeat(levels, block, axis=1)


def bursts(rng: Rng, streams: int, slower: float = 2.0, share: float = 0.05, length: float = 10.0) -> Floats:
    """Lognormal values with bursts of a mean length in which all are slower."""
    leave, enter = 1.0 / length, share / (1.0 - share) / length
    state = rng.random(streams) < share
    is_slow = np.empty((streams, _LENGTH), dtype=bool)
    for number in range(_LENGTH):
        draw = rng.random(streams)
        state = np.where(state, draw >= leave, draw < enter)
        is_slow[:, number] = state
    return lognormal(rng, streams) * np.where(is_slow, slower, 1.0)


def cache_misses(rng: Rng, streams: int) -> Floats:
    """One execution in ten reads from disk and takes about eight times as long."""
    is_miss = rng.random((streams, _LENGTH)) < 0.1
    return rng.lognormal(0.0, 0.1, (streams, _LENGTH)) * np.where(is_miss, 8.0, 1.0)


FAMILIES: Mapping[str, Callable[[Rng, int], Floats]] = {
    "lognormal .6": lognormal,
    "lognormal 1.5": lambda rng, streams: lognormal(rng, streams, 1.5),
    "pareto 1.5": lambda rng, streams: pareto(rng, streams, 1.5),
    "pareto .9": lambda rng, streams: pareto(rng, streams, 0.9),
    "cache misses": cache_misses,
    "AR(.3)": lambda rng, streams: autoregressive(rng, streams, 0.3),
    "block drift 10 %": block_drift,
    "bursts": bursts,
}
