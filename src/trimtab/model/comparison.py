"""What a comparison of two anchors says: of each query, of each dimension, and of what differs around them.

Every judgement carries its error rate, its margin, and the smallest effect that it could have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Judgement(StrEnum):
    """How the later level stands to the earlier one."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"  # no difference beyond the margin was proven
    UNJUDGED = "unjudged"


class Finding(StrEnum):
    """How the later state as a whole stands to the earlier one."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    UNKNOWN = "unknown"  # no query could be judged


@dataclass(frozen=True, slots=True)
class QueryComparison:
    """One query in both. `same_plan` is None where a plan is not known; `share` is of the earlier one's time.

    `ratio` is later over earlier mean or median, with what all queries have in common taken out; `at_least` the bound
    that the judgement rests on, or 0. `smallest_effect` is the least ratio that would have been seen, None when
    nothing would. `method` is "executions", "means" or "", `note` says why it was not judged.
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


@dataclass(frozen=True, slots=True)
class DimensionComparison:
    """One dimension in both, over the same queries in the same mix. None: not measured.

    `is_within` says whether the later level is in the earlier one's band.
    """

    name: str
    unit: str
    earlier: float | None
    later: float | None
    is_within: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole. `differences` are what else is another one, in words without any value of a row or literal.

    `only_earlier` and `only_later` are ids of queries that the other does not have. `error_rate` bounds the chance
    that any query is called slower, or faster, that is not.
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
