"""How a performance level came to be what it is: a series of a query or a dimension, what happened beside it, findings.

Values only; what is made of a series is decided in `anchor`. None holds a query's text, a literal or a setting's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trimtab.model.strategy import Strategy


class Scale(StrEnum):
    """How two values of a series compare: latency by its ratio (values above 0), a share by its difference."""

    RATIO = "ratio"
    DIFFERENCE = "difference"


class EventKind(StrEnum):
    """What may happen beside a series."""

    CHANGE_APPLIED = "change_applied"
    CHANGE_REVERTED = "change_reverted"
    PLAN_CHANGED = "plan_changed"
    SETTING_CHANGED = "setting_changed"
    SCHEMA_CHANGED = "schema_changed"
    ANALYZED = "analyzed"
    SERVER_RESTARTED = "server_restarted"
    HOST_CHANGED = "host_changed"
    ANCHOR_RECORDED = "anchor_recorded"
    BREACH = "breach"


CAUSES = frozenset(EventKind) - {EventKind.ANCHOR_RECORDED, EventKind.BREACH}
"""The kinds that may stand behind a change point. An anchor only looks, and a breach is what is to be explained."""


class Action(StrEnum):
    """What a recommendation asks for next."""

    RE_ANCHOR = "re_anchor"
    LOOK_AT_CHANGE = "look_at_change"
    ATTRIBUTE_PLAN_CHANGE = "attribute_plan_change"
    ANALYZE = "analyze"


@dataclass(frozen=True, slots=True)
class Point:
    """The mean of one interval, which ends at `time_ns` (UTC), and the calls that it rests on."""

    time_ns: int
    value: float
    calls: float = 1.0


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one query, or of one dimension of a database. `id` is the query's or the database's, no text."""

    id: str
    dimension: str
    unit: str
    points: tuple[Point, ...]
    scale: Scale = Scale.RATIO
    lower_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` is the ledger's or the anchor's; `subject` names an object, such as an index."""

    time_ns: int
    kind: EventKind
    id: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """The median of `n` intervals with its confidence interval, and the 10th and 90th percentile as the band."""

    value: float
    low: float
    high: float
    band_low: float
    band_high: float
    n: int


@dataclass(frozen=True, slots=True)
class Segment:
    """The points from `first` up to, not including, `last`, which have one level (where there is drift, one line)."""

    first: int
    last: int
    start_ns: int
    end_ns: int
    level: Level


@dataclass(frozen=True, slots=True)
class Drift:
    """The slope within segments, by day: a share of the level (0.01 is 1 %) or, by difference, in the series' unit.

    `over_window` is what it adds up to over the series. The bounds are at the confidence of the rules.
    """

    per_day: float
    low: float
    high: float
    over_window: float
    n: int
    is_drift: bool


@dataclass(frozen=True, slots=True)
class Seasonality:
    """What the hour does. `hours` is the period: 168 (a week), 24 (a day) or 0 (none taken out, for the reason given).

    `effects` are factors (by difference: summands) per hour of the period, which begins on Monday at 0 h UTC.
    `explained` is the share of the mean absolute deviation that goes away in periods that the effects were not taken
    from.
    """

    hours: int
    effects: tuple[float, ...]
    explained: float
    days_of_history: float
    reason: str


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A lasting step: `index` is the first point of the new level.

    `shift` is the new level by the old one (by difference: less the old one) with its confidence interval. `p_value` is
    adjusted for everything that was looked at in the series. The step lies after `earliest_ns` and not after
    `latest_ns`, at 95 % nominal.
    """

    index: int
    time_ns: int
    earliest_ns: int
    latest_ns: int
    before: float
    after: float
    shift: float
    shift_low: float
    shift_high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Association:
    """An event and what came after it: a change point (by its index) or a breach (by its event's id).

    The lag is 0 when the event came in the interval in which the step most likely did, and below 0 when it came after
    that one, within the bounds of the step's place.
    `p_value` is the share of the places where the target might stand that an event of this kind precedes as closely;
    `adjusted_p` is Holm's over all pairs that were looked at.
    """

    event: Event
    target: int | str
    lag_seconds: float
    p_value: float
    adjusted_p: float


@dataclass(frozen=True, slots=True)
class KindAssociation:
    """Of `targets` change points or breaches, how many an event of the kind preceded within `within_seconds`.

    `by_chance` is the share of places that it precedes so; `p_value` is binomial: so many or more.
    """

    kind: EventKind
    preceded: int
    targets: int
    by_chance: float
    within_seconds: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation with another series (load, a host's probe), `p_value` less autocorrelation."""

    series_id: str
    dimension: str
    rho: float
    p_value: float
    n: int


@dataclass(frozen=True, slots=True)
class AnchoredLevel:
    """The level that an anchor holds the series to, in the series' unit."""

    anchor_id: str
    value: float


@dataclass(frozen=True, slots=True)
class Insight:
    """One plain sentence and the numbers that it rests on."""

    code: str
    sentence: str
    evidence: Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do next, with what, and because of which insight. The subject is an id or an object's name.

    `event` is what it is about, where it is about one. `strategy` takes back a change of ours that stands, by its
    stored inverses (`trimtab revert` carries it out), or puts back what somebody else changed (`trimtab optimize
    --from-history` tries it).
    """

    action: Action
    subject: str
    reason: str
    insight: str
    event: Event | None = None
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as what.

    `error_rate` bounds the chance that a series without any change shows a change point; `min_points` is the fewest
    points of a level, `min_shift` the smallest step or drift that is told (0.1 is 10 %; by difference in the unit).
    Points of fewer calls than `min_calls` are left out. An event may precede by `max_lag_seconds` at most.
    """

    error_rate: float = 0.01
    min_points: int = 8
    min_shift: float = 0.1
    min_calls: float = 1.0
    confidence: float = 0.95
    association_rate: float = 0.05
    max_lag_seconds: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Evolution:
    """Everything that is known of one series. `kept` are the points that count, in order of time.

    `dependence` is the factor by which neighbouring points' likeness inflates the variance of their mean: 1 is none.
    `level` is that of the last segment; None, like the drift, where there are too few points. `watched` are the kinds
    of event that would have been told: only of these does it mean something that there was none.
    """

    series: Series
    rules: Rules
    kept: tuple[Point, ...]
    left_out: int
    dependence: float
    seasonality: Seasonality
    level: Level | None
    drift: Drift | None
    segments: tuple[Segment, ...]
    change_points: tuple[ChangePoint, ...]
    events: tuple[Event, ...]
    watched: frozenset[EventKind]
    anchored: AnchoredLevel | None
    associations: tuple[Association, ...]
    kinds: tuple[KindAssociation, ...]
    correlations: tuple[Correlation, ...]
