"""What to do next about an evolution: values that name an action and its object, and the insight that they follow from.

Nothing is done here, and nothing is recommended for what the numbers do not show or what was not watched.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.anchor.wording import beginning, is_close, is_worse, moment, named, printable
from trimtab.model.evolution import (
    Action,
    Association,
    ChangePoint,
    EventKind,
    Evolution,
    Insight,
    Recommendation,
    Scale,
)

_MADE = frozenset(
    {
        EventKind.CHANGE_APPLIED,
        EventKind.CHANGE_REVERTED,
        EventKind.SETTING_CHANGED,
        EventKind.SCHEMA_CHANGED,
        EventKind.SERVER_RESTARTED,
        EventKind.HOST_CHANGED,
    }
)
_HELD_FOR = 3
"""A better level is worth an anchor when it has held for so many times the fewest points of a level."""


def recommendations(evolution: Evolution, found: tuple[Insight, ...]) -> tuple[Recommendation, ...]:
    """Return what to do next, each action and object once, in the order of the insights."""
    seen: dict[tuple[Action, str, str], Recommendation] = {}
    for recommendation in _all(evolution, {insight.code for insight in found}):
        of_event = recommendation.event.subject if recommendation.event is not None else ""
        seen.setdefault((recommendation.action, recommendation.subject, of_event), recommendation)
    return tuple(seen.values())


def _all(evolution: Evolution, codes: set[str]) -> Iterator[Recommendation]:
    standing = [step for step in evolution.change_points if _stands(evolution, step)]
    for step in standing:
        for association in evolution.associations:
            if association.target == step.index and is_close(evolution, association):
                yield from _after(evolution, step, association)
    drift = evolution.drift
    is_drifting = drift is not None and drift.is_drift and is_worse(evolution, _as_shift(evolution, drift.per_day))
    if is_drifting and _was_not_analyzed(evolution, since_ns=evolution.kept[0].time_ns):
        yield Recommendation(
            Action.ANALYZE,
            evolution.series.id,
            "It drifts to the worse, and no ANALYZE of its tables was seen in the window: stale statistics are the"
            " cheapest cause to rule out.",
            "evolution.drift",
        )
    if not standing and not is_drifting:
        yield from _worth_an_anchor(evolution, codes)


def _after(evolution: Evolution, step: ChangePoint, found: Association) -> Iterator[Recommendation]:
    when = moment(step.time_ns)
    if found.event.kind is EventKind.PLAN_CHANGED:
        yield Recommendation(
            Action.ATTRIBUTE_PLAN_CHANGE,
            evolution.series.id,
            f"Its plan changed close before the step to the worse at {when}: find the factor that brings the old plan"
            " back.",
            "evolution.precedes",
        )
        if _was_not_analyzed(evolution, since_ns=evolution.kept[0].time_ns, until_ns=step.latest_ns):
            yield Recommendation(
                Action.ANALYZE,
                evolution.series.id,
                f"Its plan changed at {when}, and no ANALYZE of its tables was seen before that in the window.",
                "evolution.precedes",
            )
    elif found.event.kind in _MADE:
        yield Recommendation(
            Action.LOOK_AT_CHANGE,
            printable(found.event.id),
            f"{beginning(named(found.event))} came close before the step to the worse at {when}, which still stands.",
            "evolution.precedes",
            found.event,
        )


def _worth_an_anchor(evolution: Evolution, codes: set[str]) -> Iterator[Recommendation]:
    level = evolution.level
    if level is None or level.n < _HELD_FOR * evolution.rules.min_points:
        return
    if "evolution.better_than_anchor" in codes:
        yield Recommendation(
            Action.RE_ANCHOR,
            evolution.series.id,
            f"The level has been better than the anchor's for {level.n} intervals: as it is, the gain could be lost"
            " unnoticed.",
            "evolution.better_than_anchor",
        )
        return
    last = evolution.change_points[-1] if evolution.change_points else None
    anchors = [event for event in evolution.events if event.kind is EventKind.ANCHOR_RECORDED]
    is_newer = last is not None and all(event.time_ns < last.time_ns for event in anchors)
    if last is not None and is_newer and evolution.anchored is None and not is_worse(evolution, last.shift):
        yield Recommendation(
            Action.RE_ANCHOR,
            evolution.series.id,
            f"No anchor was recorded since the step to the better at {moment(last.time_ns)}.",
            "evolution.step_better",
        )


def _stands(evolution: Evolution, step: ChangePoint) -> bool:
    """Return whether a step was to the worse and the level is still worse than before it, by the smallest shift."""
    if evolution.level is None or not is_worse(evolution, step.shift):
        return False
    now, margin = evolution.level.value, evolution.rules.min_shift
    ratio = evolution.series.scale is Scale.RATIO
    shift = now / step.before if ratio else now - step.before
    size = max(shift, 1.0 / shift) - 1.0 if ratio else abs(shift)
    return is_worse(evolution, shift) and size >= margin


def _was_not_analyzed(evolution: Evolution, *, since_ns: int, until_ns: int | None = None) -> bool:
    """Return whether ANALYZE was watched for and none was seen."""
    if EventKind.ANALYZED not in evolution.watched:
        return False
    return not any(
        event.kind is EventKind.ANALYZED
        and since_ns <= event.time_ns
        and (until_ns is None or event.time_ns <= until_ns)
        for event in evolution.events
    )


def _as_shift(evolution: Evolution, per_day: float) -> float:
    return per_day + 1.0 if evolution.series.scale is Scale.RATIO else per_day
