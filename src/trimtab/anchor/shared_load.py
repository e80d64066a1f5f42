"""What all queries share is no regression of one: while companions are beyond their limits too, a query may be as well.

On a real host the load changes for minutes. Then "beyond the limit at most one time in ten, whatever came before" is
not true of anyone, and T1 and T4 would tell each neighbour's backup. So the rate that is bet against is raised to what
the companions show at the same time, with an allowance. It needs to be known when values were seen, and of whom.

The guarantee is then: a query that is beyond its limits no more often than its companions are, plus the allowance, is
called no more often than alpha says. Design: ours, by the common mode of T3; measured in `bench/anchors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, log
from typing import TYPE_CHECKING

import numpy as np

from trimtab.anchor.bets import JOINT, LOG_WEIGHTS, as_number, is_tested, joint_stakes, log_joint_factor, log_mean
from trimtab.anchor.common_mode import LEAST_COMPANIONS
from trimtab.anchor.limits import QUANTILES, Direction, Limits
from trimtab.model.paired import RESOLUTION_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Indices = NDArray[np.int64]

# How many slots of time, this one and those before it, tell the companions' rate.
SLOTS = 10
STANDARD_ERRORS = 2.0


def shared_rates(passed: Flags, seen: Flags, companions: Indices) -> Floats:
    """Return the rates to bet against, by query and quantile: 1 - q, or what the companions show where that is more.

    `passed` is by slot, query and quantile, the last slots of time; `seen` by slot and query says where there was a
    value; `companions` are those of `nearest_companions`. nan where they gave fewer than `LEAST_COMPANIONS` values:
    such a slot is no evidence for that query.
    """
    hits = (passed & seen[:, :, None]).sum(axis=0)
    counts = seen.sum(axis=0)
    is_one = companions >= 0
    theirs = np.where(is_one[:, :, None], hits[companions], 0).sum(axis=1)
    values = np.where(is_one, counts[companions], 0).sum(axis=1)[:, None].astype(float)
    enough = values >= LEAST_COMPANIONS
    share = np.divide(theirs, values, out=np.zeros(hits.shape), where=enough)
    error = np.sqrt(np.divide(share * (1.0 - share), values, out=np.zeros(hits.shape), where=enough))
    rates = np.clip(share + STANDARD_ERRORS * error, 1.0 - np.array(QUANTILES), 1.0)
    return np.asarray(np.where(enough, rates, np.nan))


def passed_by(limits: Limits, values: Sequence[float | None]) -> Flags:
    """Return which limits each value is beyond: a row per value, a column per quantile, false for one not tested."""
    found = np.array([inf if value is None else value for value in values], dtype=float)
    passed = np.zeros((len(found), len(QUANTILES)), dtype=bool)
    for limit in limits.limits:
        is_slower = limits.direction is Direction.SLOWER
        beyond = found > limit.value if is_slower else np.maximum(found, RESOLUTION_MS) < limit.value
        passed[:, QUANTILES.index(limit.quantile)] = beyond
    return passed


@dataclass(frozen=True, slots=True)
class SharedLoadTest:
    """T1 with rates that move. Without load it is `ExceedanceTest`; its state is the wealth of each bet.

    `skipped` counts the values that came without rates.
    """

    limits: Limits
    values: int = 0
    failures: int = 0
    skipped: int = 0
    log_wealth: tuple[float, ...] = ()
    log_peak: float = 0.0

    def __post_init__(self) -> None:
        if not self.log_wealth:
            object.__setattr__(self, "log_wealth", (0.0,) * len(JOINT))

    @classmethod
    def over(cls, limits: Limits, values: Sequence[float | None], rates: Sequence[float]) -> SharedLoadTest:
        """Return the test after all of these values, at rates that do not move: as one `observe` after another."""
        fresh = cls(limits)
        if not values or not fresh.is_testable:
            return replace(fresh, values=len(values), failures=sum(value is None for value in values))
        tested = is_tested(limit.quantile for limit in limits.limits)
        allowed = np.maximum(np.array(rates, dtype=float), 1.0 - np.array(QUANTILES))
        gained = passed_by(limits, values) / allowed - 1.0
        wealth = np.cumsum(np.log1p(gained @ np.array(joint_stakes(tested)).T), axis=0)
        weighted = wealth + np.array(LOG_WEIGHTS)
        largest = weighted.max(axis=1)
        evidence = largest + np.log(np.exp(weighted - largest[:, None]).sum(axis=1))
        return replace(
            fresh,
            values=len(values),
            failures=sum(value is None or value == inf for value in values),
            log_wealth=tuple(wealth[-1].tolist()),
            log_peak=max(0.0, float(evidence.max())),
        )

    def observe(self, value: float | None, rates: Sequence[float]) -> SharedLoadTest:
        """Return the test after one more value; `rates` are in the order of `QUANTILES`, nan where they are unknown."""
        if any(isnan(rate) for rate in rates):
            return replace(self, skipped=self.skipped + 1)
        tested = is_tested(limit.quantile for limit in self.limits.limits)
        beyond = dict(zip((limit.quantile for limit in self.limits.limits), self.limits.passed(value), strict=True))
        passed = [beyond.get(quantile, False) for quantile in QUANTILES]
        allowed = [max(rate, 1.0 - quantile) for rate, quantile in zip(rates, QUANTILES, strict=True)]
        logs = [log_joint_factor(stakes, allowed, passed) for stakes in joint_stakes(tested)]
        after = replace(
            self,
            values=self.values + 1,
            failures=self.failures + (value is None or value == inf),
            log_wealth=tuple(held + each for held, each in zip(self.log_wealth, logs, strict=True)),
        )
        return replace(after, log_peak=max(self.log_peak, after.log_e_value))

    @property
    def log_e_value(self) -> float:
        """The natural logarithm of the evidence now."""
        if not self.is_testable:
            return 0.0
        return log_mean(
            held + weight + log(len(JOINT)) for held, weight in zip(self.log_wealth, LOG_WEIGHTS, strict=True)
        )

    @property
    def e_value(self) -> float:
        """The evidence now."""
        return as_number(self.log_e_value)

    @property
    def peak(self) -> float:
        """The highest evidence so far; no e-value."""
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
        """True once the evidence has reached what is needed."""
        return self.log_peak >= log(self.needed_e_value)
