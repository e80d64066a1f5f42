"""Decides from what a server has counted before and after the changes which statements of the application got slower.

Pure. What cannot be compared is counted as not judged, and never as fine. Nothing is taken back here.

A statement's mean time per execution before and after is compared as Welch does, from means and variances, and the
ratio gets its lower bound as in Fieller (1954): one outlier then widens the bound instead of moving it. The change that
the untouched statements have in common (load, a cold cache) is taken out first. The statements that are judged share
one error rate (Bonferroni).
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, log, sqrt
from statistics import fmean, variance

from trimtab.model.traffic import ROUNDING, Counter, Counters, StatementKey
from trimtab.settle.student import t_quantile

LEAST_CALLS = 20
LEAST_OTHERS = 3
# The floor under a loss is for what nobody notices: no statement's loss, times its executions, is that large a share of
# the time that all statements took meanwhile. A trial has the same.
LARGEST_UNNOTICED = 0.05
_NOTHING = Counter(0, 0.0, 0.0)
_RESOLUTION_MS = 1e-6


class Unjudged(StrEnum):
    """Why nothing can be said of a touched statement, in words for people."""

    FEW = f"ran fewer than {LEAST_CALLS} times before or after"
    RESET = "had its counters reset, or lost them, meanwhile"
    UNKNOWN = "stands in no counter"


@dataclass(frozen=True, slots=True)
class Margin:
    """What a loss must pass: a share of the time, so many ms, and the chance to call anything slower that is not."""

    max_slowdown_percent: float
    floor_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class Window:
    """Two readings, between which statements ran."""

    begin: Counters
    end: Counters


@dataclass(frozen=True, slots=True)
class Slowed:
    """A statement that takes longer than before: means in ms, and the lower bound of after / before.

    `common` is by how much the untouched statements changed; it is taken out of the bound, not of the means.
    """

    query_id: str
    before_ms: float
    after_ms: float
    calls_before: int
    calls_after: int
    at_least: float
    common: float = 1.0

    @property
    def reason(self) -> str:
        """Say it in one sentence."""
        shared = f", beside {self.common:.2f} times for all" if abs(self.common - 1.0) >= 0.005 else ""
        return (
            f"{self.query_id} takes {self.after_ms:.1f} ms on the source after ({self.calls_after:,} executions), "
            f"{self.before_ms:.1f} ms before ({self.calls_before:,} executions): "
            f"at least {self.at_least:.2f} times as long{shared}"
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the touched statements: those that lost, the heaviest loss first, and how many were judged.

    `common` is None where too few untouched statements ran to tell what they have in common. `query_ids` are the
    queries of the statements that were judged.
    """

    slowed: tuple[Slowed, ...] = ()
    judged: int = 0
    unjudged: Mapping[Unjudged, int] = field(default_factory=dict)
    common: float | None = None
    query_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Runs:
    """What a statement did in a window: executions, their mean in ms, and the variance of one execution."""

    calls: int
    mean_ms: float
    variance: float


def judge_traffic(
    before: Window,
    after: Window,
    touched: Mapping[StatementKey, str],
    others: Collection[StatementKey],
    margin: Margin,
) -> Judged:
    """Return which of the touched statements got slower. `touched` gives the ids of their queries."""
    pairs: dict[StatementKey, tuple[Runs, Runs]] = {}
    unjudged: Tally[Unjudged] = Tally()
    for key in touched:
        found = _pair(before, after, key)
        if isinstance(found, Unjudged):
            unjudged[found] += 1
        else:
            pairs[key] = found
    changes = _log_changes(before, after, others)
    noticed_ms = LARGEST_UNNOTICED * sum(
        step.total_ms
        for key in after.end.by_statement
        if isinstance(step := _step(after.begin, after.end, key), Counter)
    )
    share = margin.error_rate / max(1, len(pairs))
    slowed = [
        lost
        for key, (was, now) in pairs.items()
        if (lost := _lost(touched[key], was, now, changes, margin, share, noticed_ms))
    ]
    slowed.sort(key=lambda lost: (lost.before_ms - lost.after_ms, lost.query_id))
    common = exp(fmean(changes)) if changes else None
    return Judged(tuple(slowed), len(pairs), dict(unjudged), common, frozenset(touched[key] for key in pairs))


def can_be_judged(before: Window, touched: Iterable[StatementKey]) -> bool:
    """Return whether any of the touched statements ran often enough before to be compared with."""
    return any(isinstance(_runs(before, key), Runs) for key in touched)


def is_quiet(since: Window, touched: Iterable[StatementKey]) -> bool:
    """Return whether none of the touched statements ran in the window."""
    return all(
        since.end.by_statement.get(key, _NOTHING).calls == since.begin.by_statement.get(key, _NOTHING).calls
        for key in touched
    )


def _pair(before: Window, after: Window, key: StatementKey) -> tuple[Runs, Runs] | Unjudged:
    was, now = _runs(before, key), _runs(after, key)
    # Between the windows the changes were made: a counter must not have begun anew there either.
    between = _step(before.end, after.begin, key)
    if Unjudged.RESET in (was, between, now):
        return Unjudged.RESET
    return (was, now) if isinstance(was, Runs) and isinstance(now, Runs) else Unjudged.FEW


def _runs(window: Window, key: StatementKey) -> Runs | Unjudged:
    step = _step(window.begin, window.end, key)
    if isinstance(step, Unjudged):
        return step
    if step.calls < LEAST_CALLS:
        return Unjudged.FEW
    rounding = ROUNDING * window.end.by_statement[key].squares
    scatter = step.squares - step.total_ms**2 / step.calls
    if scatter < -10 * rounding - _RESOLUTION_MS**2:
        return Unjudged.RESET  # no executions have such sums: these are not the differences of one counter
    mean_ms = max(step.total_ms / step.calls, _RESOLUTION_MS)
    return Runs(step.calls, mean_ms, (max(scatter, 0.0) + rounding) / (step.calls - 1))


def _step(begin: Counters, end: Counters, key: StatementKey) -> Counter | Unjudged:
    """Return what was counted between two readings. A statement that was not there at first starts from nothing."""
    first, last = begin.by_statement.get(key), end.by_statement.get(key)
    if not begin.is_continued_by(end) or (first is not None and last is None):
        return Unjudged.RESET
    if last is None:
        return Unjudged.FEW
    if first is None:
        return last
    step = last.after(first)
    return Unjudged.RESET if step is None else step


def _log_changes(before: Window, after: Window, others: Collection[StatementKey]) -> list[float]:
    """Return by how much each untouched statement changed, in logarithms; none where they are too few."""
    found = (_pair(before, after, key) for key in others)
    changes = [log(pair[1].mean_ms / pair[0].mean_ms) for pair in found if not isinstance(pair, Unjudged)]
    return changes if len(changes) >= LEAST_OTHERS else []


def _lost(
    query_id: str,
    was: Runs,
    now: Runs,
    changes: Sequence[float],
    margin: Margin,
    share: float,
    noticed_ms: float,
) -> Slowed | None:
    common = exp(fmean(changes)) if changes else 1.0
    spread = variance(changes) / len(changes) if changes else 0.0
    bound = ratio_at_least(was, now, common, spread, len(changes), 1.0 + margin.max_slowdown_percent / 100, share)
    # When the others got faster it is no loss of this one to have stayed as it was.
    loss_ms = now.mean_ms / max(common, 1.0) - was.mean_ms
    floor_ms = min(margin.floor_ms, noticed_ms / now.calls)
    if bound <= 1.0 + margin.max_slowdown_percent / 100 or loss_ms <= floor_ms:
        return None
    return Slowed(query_id, was.mean_ms, now.mean_ms, was.calls, now.calls, bound, common)


def ratio_at_least(
    was: Runs, now: Runs, common: float, spread: float, others: int, limit: float, share: float
) -> float:
    """Return the lower bound of now / (was * common): the least ratio that the means and their errors allow.

    `common` is what all have in common, of so many `others` whose logarithms' mean has the variance `spread`; `limit`
    is the ratio that is asked about, `share` the error rate.
    """
    base = common * was.mean_ms
    of_now = now.variance / now.calls
    of_was = common**2 * was.variance / was.calls
    of_common = base**2 * spread
    of_base = of_was + of_common
    parts = [(of_now, now.calls - 1), (limit**2 * of_was, was.calls - 1), (limit**2 * of_common, others - 1)]
    squares = sum(part**2 / freedom for part, freedom in parts if part > 0.0)
    if squares == 0.0:
        return now.mean_ms / base
    freedom = max(1.0, sum(part for part, _ in parts) ** 2 / squares)
    width = t_quantile(1.0 - share, freedom) ** 2
    rest = now.mean_ms**2 - width * of_now
    if rest <= 0.0:
        return 0.0
    product = now.mean_ms * base
    return rest / (product + sqrt(max(0.0, product**2 - (base**2 - width * of_base) * rest)))
