"""How often a service level was breached, and what so many observations support: a value without any judgement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stability:
    """What was counted, and what it supports. `sigma_level` may be negative: most observations are breaches then.

    `unit` says what was observed: "executions", or "looks", of which one is a statement in an interval.
    `at_most_per_million` is the upper bound of the rate at the `confidence`, `sigma_level` that of this bound.
    """

    observed: int
    breaches: int
    unit: str
    confidence: float
    breaches_per_million: float
    at_most_per_million: float
    sigma_level: float

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        return (
            f"{self.breaches:,} of {self.observed:,} {self.unit} beyond the service level: "
            f"{self.breaches_per_million:.4g} per million, at most {self.at_most_per_million:.4g} "
            f"({self.confidence:.0%} confidence), which supports {self.sigma_level:.2f} sigma"
        )
