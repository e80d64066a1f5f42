"""T1, the exceedance test: evidence, looked at after every value, that values have become larger than the anchor's.

For a change with a known start (a release, a plan switch, a revert). It needs no moments and no shape, only that a
limit is passed with probability at most 1 - q given what came before. It never measures, and never acts.

Sources: betting test martingales, Waudby-Smith & Ramdas (2024); quantiles, Howard & Ramdas (2022); Ville (1939).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

from trimtab.anchor.bets import as_number, log_mean_wealth
from trimtab.anchor.limits import Limits


@dataclass(frozen=True, slots=True)
class ExceedanceTest:
    """Its whole state is counts: values, failures among them, values beyond each limit, and the highest evidence.

    The evidence is a function of the counts, so nothing is lost by keeping them alone. `observe` returns the next test.
    """

    limits: Limits
    values: int = 0
    failures: int = 0
    passed: tuple[int, ...] = ()
    log_peak: float = 0.0

    def __post_init__(self) -> None:
        if not self.passed:
            object.__setattr__(self, "passed", (0,) * len(self.limits.limits))

    def observe(self, value: float | None) -> ExceedanceTest:
        """Return the test after one more value, in the unit of the limits; None is an error or a time-out."""
        passed = tuple(
            count + is_passed for count, is_passed in zip(self.passed, self.limits.passed(value), strict=True)
        )
        after = replace(
            self,
            values=self.values + 1,
            failures=self.failures + (value is None or value == float("inf")),
            passed=passed,
        )
        return replace(after, log_peak=max(self.log_peak, after.log_e_value))

    @property
    def log_e_value(self) -> float:
        """The natural logarithm of the evidence now."""
        return log_mean_wealth([limit.quantile for limit in self.limits.limits], self.passed, self.values)

    @property
    def e_value(self) -> float:
        """The evidence now: 1 at the start, on average never more while nothing has changed."""
        return as_number(self.log_e_value)

    @property
    def peak(self) -> float:
        """The highest evidence so far. It proves, and is no e-value: never give it to e-BH."""
        return as_number(self.log_peak)

    @property
    def needed_e_value(self) -> float:
        """What proves: 2 / alpha, because the limits have used half of alpha."""
        return 2.0 / self.limits.error_rate

    @property
    def is_testable(self) -> bool:
        """Whether the anchor had enough values for any limit."""
        return bool(self.limits.limits)

    @property
    def is_proven(self) -> bool:
        """True once the evidence has reached what is needed; Ville's inequality covers its highest point."""
        return self.log_peak >= log(self.needed_e_value)
