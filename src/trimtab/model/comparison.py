"""What a comparison of two anchors says: of each query, of each dimension, and of what differs around them.

Every judgement carries its error rate, its margin, and the smallest effect that it could have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trimtab.model.stability import Stability


class Judgement(StrEnum):
    """How the later level stands to the earlier one."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"  # no difference beyond the margin was proven
    UNJUDGED = "unjudged"


class Level(StrEnum):
    """How a dimension's level stands to the earlier one, as far as its test has shown it."""

    HIGHER = "higher"
    LOWER = "lower"
    SAME = "same"  # no difference beyond the margin was proven
    UNJUDGED = "unjudged"


class Finding(StrEnum):
    """How the later state as a whole stands to the earlier one."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    UNKNOWN = "unknown"  # no query could be judged


class PlannedFor(StrEnum):
    """For which values the plans that were compared had been made."""

    ANY = "any values"
    OWN = "own values"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class QueryComparison:
    """One query in both. `same_plan` is None where a plan is not known; `share` is of the earlier one's time.

    `ratio` is later over earlier mean or median, with what all queries have in common taken out; `at_least` the bound
    that the judgement rests on, or 0. `smallest_effect` is the least ratio that would have been seen, None when
    nothing would. `method` is "executions", "means" or "", `note` says why it was not judged, or what was not done.
    `error_rate` is its share of alpha. Of executions `evidence` is the highest that was reached and `needed` what
    proves; `dropped` are quantiles for which the earlier anchor has too few. `planned_for` says for which values the
    plans of `same_plan` were made: those made for values that were drawn, or are the text's own, are told by
    `is_own_plan_same`. `stability` tells how often the later executions took longer than `service_level_ms`, the
    slowest of the earlier ones and the margin.
    """

    query_id: str
    share: float
    same_plan: bool | None
    judgement: Judgement
    ratio: float | None
    at_least: float
    smallest_effect: float | None
    method: str
    note: str = ""
    error_rate: float = 0.0
    evidence: float | None = None
    needed: float | None = None
    dropped: tuple[float, ...] = ()
    planned_for: PlannedFor = PlannedFor.UNKNOWN
    is_own_plan_same: bool | None = None
    service_level_ms: float | None = None
    stability: Stability | None = None


@dataclass(frozen=True, slots=True)
class DimensionComparison:
    """One dimension in both, over the same queries in the same mix. None: not measured.

    `is_within` says whether the later level is in the earlier one's band. `judgement` is what its `test` has shown of
    the level, at this `error_rate` and beyond the margin: HIGHER or LOWER; `smallest_effect` is the least ratio that
    would have been shown, None where no chance is in it.
    """

    name: str
    unit: str
    earlier: float | None
    later: float | None
    is_within: bool | None
    note: str = ""
    judgement: Level = Level.UNJUDGED
    error_rate: float = 0.0
    smallest_effect: float | None = None
    test: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole. `differences` are what else is another one, in words without any value of a row or literal.

    `only_earlier` and `only_later` are ids of queries that the other does not have. `error_rate` bounds the chance
    that any query is called slower, or faster, that is not; and, a second time, that any dimension is called higher or
    lower. `stability` is of all executions that both anchors have.
    """

    earlier_id: str
    later_id: str
    finding: Finding
    error_rate: float
    margin: float
    common: float | None
    queries: tuple[QueryComparison, ...]
    dimensions: tuple[DimensionComparison, ...]
    differences: tuple[str, ...]
    only_earlier: tuple[str, ...]
    only_later: tuple[str, ...]
    stability: Stability | None = None
