"""How large a gain may be, from the rounds of its trial: the gains that the sequential test does not refute. Pure.

The interval is the inversion of the test that decides trials, so it holds although the trial stopped when it knew
enough. It decides nothing: what is accepted is the trial's own ruling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1

from trimtab.model.paired import PairedTest, log_gain

CONFIDENCE = 0.9
_LARGEST_LOG_GAIN = 8.0
_STEPS = 20


@dataclass(frozen=True, slots=True)
class GainInterval:
    """Shares of the time saved (0.4 is 40 % less, below 0 is slower) between which the gain lies.

    `confidence` is of both ends together. An end that no number of this trial's rounds refutes is None.
    """

    low: float | None
    high: float | None
    confidence: float


def gain_interval(
    rounds: Sequence[tuple[float, float]], scale: float, *, confidence: float = CONFIDENCE
) -> GainInterval | None:
    """Return the interval of a constant gain, None without rounds or their noise (`Trial.rounds`, `Trial.scale`)."""
    if not rounds or scale <= 0:
        return None
    gains = [log_gain(before, after) for before, after in rounds]
    error_rate = (1.0 - confidence) / 2
    low = _largest_refuted(gains, scale, error_rate)
    high = _largest_refuted([-gain for gain in gains], scale, error_rate)
    return GainInterval(None if low is None else _saved(low), None if high is None else _saved(-high), confidence)


def _largest_refuted(gains: Sequence[float], scale: float, error_rate: float) -> float | None:
    """Return the largest log gain up to which a constant one is refuted by these; None where none is."""

    def is_refuted(log_margin: float) -> bool:
        return PairedTest(error_rate, scale, expm1(log_margin)).is_proven_by(gains)

    low, high = -_LARGEST_LOG_GAIN, _LARGEST_LOG_GAIN
    if not is_refuted(low):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_refuted(middle) else (low, middle)
    return low


def _saved(log_gain_: float) -> float:
    return -expm1(-log_gain_)
