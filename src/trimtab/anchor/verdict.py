"""What a regression test says, with all that weighs it: alpha, margin, evidence, the smallest visible effect.

It puts a test's state into one value for people, reports and the ledger. It never tests, and never holds a value of a
query. A trial's T2 says the same of itself (`model.strategy.Trial`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.limits import Direction, Dropped, Limits
from trimtab.anchor.power import smallest_effect
from trimtab.anchor.shared_load import SharedLoadTest
from trimtab.model.paired_power import POWER


class Finding(StrEnum):
    """What was shown. NOT_SHOWN is no proof of the contrary: `smallest_effect` says what it is worth."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    NOT_SHOWN = "not_shown"
    NOT_TESTABLE = "not_testable"


class Method(StrEnum):
    """Which test it was."""

    EXCEEDANCE = "T1"
    COMMON_MODE = "T3"
    ONSET = "T4"


@dataclass(frozen=True, slots=True)
class RegressionVerdict:
    """One test's answer.

    `error_rate` is alpha; T4 has `looks_per_false_alarm` in its place. `observations` are executions (T1),
    factors of intervals (T3) or looks (T4). `smallest_effect` is the factor that would have been shown with probability
    `power`, None where none could be yet. `skipped` counts what was seen without knowing the common load.
    """

    method: Method
    finding: Finding
    direction: Direction
    error_rate: float | None
    looks_per_false_alarm: float | None
    margin: float
    observations: int
    failures: int
    e_value: float
    peak: float
    needed_e_value: float
    smallest_effect: float | None
    power: float
    dropped: tuple[Dropped, ...] = ()
    skipped: int = 0


def exceedance_verdict(
    test: ExceedanceTest | SharedLoadTest,
    reference: Sequence[float | None],
    *,
    method: Method = Method.EXCEEDANCE,
    skipped: int = 0,
) -> RegressionVerdict:
    """Return the verdict of T1, or of T3 whose factors were given to it; `reference` is what the limits are made of.

    Of a test under shared load the smallest effect is that without load.
    """
    limits = test.limits
    return RegressionVerdict(
        method=method,
        finding=_finding(test.is_testable, test.is_proven, limits.direction),
        direction=limits.direction,
        error_rate=limits.error_rate,
        looks_per_false_alarm=None,
        margin=limits.margin,
        observations=test.values,
        failures=test.failures,
        e_value=test.e_value,
        peak=test.peak,
        needed_e_value=test.needed_e_value,
        smallest_effect=smallest_effect(limits, reference, test.values, needed=test.needed_e_value),
        power=POWER,
        dropped=limits.dropped,
        skipped=skipped + (test.skipped if isinstance(test, SharedLoadTest) else 0),
    )


def onset_verdict(
    limits: Limits,
    reference: Sequence[float | None],
    *,
    looks: int,
    value: float,
    level: float,
    failures: int = 0,
    skipped: int = 0,
) -> RegressionVerdict:
    """Return what T4 says after so many looks, whose evidence is `value`; `level` is what alarms.

    `smallest_effect` is that of a change which began at the first look.
    """
    return RegressionVerdict(
        method=Method.ONSET,
        finding=_finding(bool(limits.limits), value >= level, limits.direction),
        direction=limits.direction,
        error_rate=None,
        looks_per_false_alarm=level,
        margin=limits.margin,
        observations=looks,
        failures=failures,
        e_value=value,
        peak=value,
        needed_e_value=level,
        smallest_effect=smallest_effect(limits, reference, looks, needed=level, is_onset=True),
        power=POWER,
        dropped=limits.dropped,
        skipped=skipped,
    )


def _finding(is_testable: bool, is_proven: bool, direction: Direction) -> Finding:
    if not is_testable:
        return Finding.NOT_TESTABLE
    if not is_proven:
        return Finding.NOT_SHOWN
    return Finding.REGRESSED if direction is Direction.SLOWER else Finding.IMPROVED
