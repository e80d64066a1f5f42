"""What travels through the lifecycle: a Strategy, what was thought of it (Verdict, Prediction), what was seen (Trial).

All are values. None of them decides anything; the stages do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trimtab.model.change import Change, change_digest


@dataclass(frozen=True, slots=True)
class Strategy:
    """An ordered set of changes that belong together, with its evidence.

    `proposer` names who thought of it; `reason` says why in one sentence without literals; `query_ids` are the queries
    that it is for; `evidence` holds the proposer's numbers. `size_bytes` is the disk that it is expected to take
    (negative when it frees some). `unshown` are those of the queries for which it saves what no plan shows, such as
    look-ups under foreign keys, with the cost of all that they do then, over that of now.
    """

    changes: tuple[Change, ...]
    proposer: str
    title: str
    reason: str
    query_ids: tuple[str, ...]
    size_bytes: int = 0
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
    unshown: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`s-` and ten hexadecimal digits of what the changes are."""
        joined = "".join(change_digest(change) for change in self.changes)
        return "s-" + hashlib.sha256(joined.encode()).hexdigest()[:10]


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule of the specification that a change breaks: what was expected and what was found.

    `severity` is "block", which refuses; or "warn" or "info", which are told. `evidence_ids` name what it was seen in:
    objects ("table shop.orders", "setting work_mem") or, for a rule of the specification itself, facts ("table.rows").
    """

    rule_id: str
    message: str
    path: str = ""
    expected: str = ""
    actual: str = ""
    severity: str = "block"
    evidence_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waived:
    """A violation that does not count, by which waiver, and until when (seconds since 1970)."""

    violation: Violation
    waiver_id: str
    waiver_revision: int
    not_after_unix: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the effective specification says of a change. `score` ranks (0 to 100) and never gates.

    `violations` block; `warnings` are what rules of a lower severity found; `waived` would block, were it not for a
    waiver. `engine_version` is of the rules as they are programmed: the same one gives the same verdict.
    `not_applicable` are the ids of rules that had nothing to say here, so that what was asked can be told from what was
    kept; `errors` of those that could not be judged, which are among the violations.
    """

    compliant: bool
    violations: tuple[Violation, ...]
    spec_id: str
    spec_digest: str
    score: float | None = None
    warnings: tuple[Violation, ...] = ()
    waived: tuple[Waived, ...] = ()
    engine_version: str = ""
    not_applicable: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """An interval of what the affected queries will take after the change, weighted by their executions.

    `before` is the measured time now, in the same unit and over the same queries. `confidence` is the nominal coverage.
    """

    low: float
    mid: float
    high: float
    unit: str
    before: float
    confidence: float
    method: str

    @property
    def improvement(self) -> float:
        """Predicted share of the time saved: 0.4 is 40 % less."""
        return 0.0 if self.before <= 0 else 1.0 - self.mid / self.before

    @property
    def improvement_at_best(self) -> float:
        """The share of the time saved at the good end of the interval."""
        return 0.0 if self.before <= 0 else 1.0 - self.low / self.before


class Decision(StrEnum):
    """How a trial ended. Only ACCEPTED goes on."""

    ACCEPTED = "accepted"
    NO_GAIN = "rejected_no_gain"
    SLOWER_QUERY = "rejected_slower_query"
    SLOWER = "rejected_slower"
    FAILED = "rejected_failed"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class QueryTrial:
    """One query in a trial: medians in ms, ratio after/before, and whether its plan changed. `timed_out` counts runs
    that hit the time limit; they count as the limit, never as nothing.
    """

    query_id: str
    before_ms: float
    after_ms: float
    pairs: int
    plan_changed: bool
    verdict: str
    timed_out: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A paired measurement. Times are ms, weighted by executions, over the queries that the change can touch.

    `error_rate` is alpha of the sequential test: the chance to accept a change that does nothing. `e_value` is the
    evidence reached; 1/alpha accepts. `reason` says why it was decided so. `smallest_effect` is the factor between the
    arms that so many pairs would have shown with a probability of 0.8, None where none could have been. `rounds` are
    the weighted totals (before, after) of every round in which all that counts was measured, in order; `scale` is their
    noise, of log ratios, 0.0 where nothing was measured.
    """

    before_ms: float
    after_ms: float
    pairs: int
    error_rate: float
    margin: float
    e_value: float
    decision: Decision
    reason: str
    queries: tuple[QueryTrial, ...] = ()
    size_bytes: int = 0
    build_seconds: float = 0.0
    smallest_effect: float | None = None
    rounds: tuple[tuple[float, float], ...] = ()
    scale: float = 0.0

    @property
    def improvement(self) -> float:
        """Measured share of the time saved."""
        return 0.0 if self.before_ms <= 0 else 1.0 - self.after_ms / self.before_ms


class Outcome(StrEnum):
    """Where a strategy ended. The words are those of `optimize --json`."""

    REFUSED = "refused"
    NOT_PREDICTED = "not_promising"
    REJECTED = "rejected"
    PROVEN = "proven"
    KEPT = "kept"
    REVERTED = "reverted"
    FAILED = "failed"
    UNTRIED = "untried"
