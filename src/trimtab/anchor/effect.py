"""How large a change is: an asymptotic confidence sequence for the mean of factors' logarithms, valid at any look.

It shows the size beside a verdict, and never makes one: it needs many values and a stable mean, and autocorrelation
makes it too narrow, where the tests only need their limits.

Source: time-uniform central limit theory, Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log, sqrt

# Where the sequence is made narrowest: about an hour of looks each minute.
TIGHTEST_AT = 60
_LEAST_VALUES = 10


@dataclass(frozen=True, slots=True)
class EffectSize:
    """Mean and spread of log factors (Welford). `observe` returns the next one."""

    values: int = 0
    mean_log: float = 0.0
    square_sum: float = 0.0

    def observe(self, factor: float) -> EffectSize:
        """Return it after one more factor, above 0."""
        if not factor > 0.0:
            raise ValueError("a factor is above 0")
        count = self.values + 1
        step = log(factor) - self.mean_log
        mean = self.mean_log + step / count
        return replace(self, values=count, mean_log=mean, square_sum=self.square_sum + step * (log(factor) - mean))

    @property
    def factor(self) -> float:
        """The geometric mean of the factors so far; 1.0 before the first."""
        return exp(self.mean_log)

    def interval(self, error_rate: float) -> tuple[float, float] | None:
        """Return the bounds of the factor; None with fewer than ten values, or where no two differ."""
        if self.values < _LEAST_VALUES or self.square_sum <= 0.0:
            return None
        spread = sqrt(self.square_sum / self.values)
        tuned = (-2.0 * log(error_rate) + log(-2.0 * log(error_rate) + 1.0)) / TIGHTEST_AT
        scaled = self.values * tuned + 1.0
        radius = spread * sqrt(2.0 * scaled / (self.values**2 * tuned) * log(sqrt(scaled) / error_rate))
        return exp(self.mean_log - radius), exp(self.mean_log + radius)
