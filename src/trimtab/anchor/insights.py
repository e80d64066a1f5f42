"""Says in plain sentences what an evolution shows, each with the numbers that it rests on.

It says no more than the numbers do: what merely comes before is not called a cause, and what cannot be told is said.
A query appears by its id; names of objects are made printable, and no literal or setting's value is known here.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.anchor.wording import (
    beginning,
    chance,
    compared,
    duration,
    is_close,
    is_worse,
    margin,
    moment,
    named,
    percent,
    printable,
    quantity,
    subject,
    told_bounds,
    told_shift,
)
from trimtab.model.evolution import (
    CAUSES,
    Association,
    ChangePoint,
    Evolution,
    Insight,
    Scale,
)

_FEWEST_CORRELATED = 0.3


def insights(evolution: Evolution) -> tuple[Insight, ...]:
    """Return what is to be said, the level first."""
    return tuple(_all(evolution))


def _all(evolution: Evolution) -> Iterator[Insight]:
    yield from _level(evolution)
    if evolution.level is None:
        return
    yield from _against_anchor(evolution)
    for step in evolution.change_points:
        yield _step(evolution, step)
        yield from _before(evolution, step)
    for association in evolution.associations:
        if isinstance(association.target, str) and is_close(evolution, association):
            yield _precedes(f"the breach {printable(association.target)}", association)
    yield from _repeated(evolution)
    yield from _drift(evolution)
    yield _season(evolution)
    yield from _correlated(evolution)


def _level(evolution: Evolution) -> Iterator[Insight]:
    series, level, kept = evolution.series, evolution.level, evolution.kept
    if evolution.left_out:
        yield Insight(
            "evolution.left_out",
            f"{evolution.left_out} of {len(series.points)} points do not count: no number, fewer than"
            f" {evolution.rules.min_calls:g} calls, or not above 0 where ratios are compared.",
            {"left_out": evolution.left_out, "points": len(series.points), "min_calls": evolution.rules.min_calls},
        )
    if level is None:
        yield Insight(
            "evolution.too_few_points",
            f"{beginning(subject(evolution))} cannot be told: {len(kept)} points, a level needs"
            f" {evolution.rules.min_points}.",
            {"n": len(kept), "min_points": evolution.rules.min_points},
        )
        return
    since = evolution.segments[-1].start_ns
    yield Insight(
        "evolution.level",
        f"{beginning(subject(evolution))} is {quantity(level.value, series.unit)}"
        f" ({quantity(level.low, '')} to {quantity(level.high, '')} at {percent(evolution.rules.confidence)}):"
        f" the median of {level.n} intervals since {moment(since)}; eight of ten lie between"
        f" {quantity(level.band_low, '')} and {quantity(level.band_high, series.unit)}.",
        {
            "value": level.value,
            "low": level.low,
            "high": level.high,
            "confidence": evolution.rules.confidence,
            "n": level.n,
            "since_ns": since,
            "until_ns": kept[-1].time_ns,
            "dependence": evolution.dependence,
        },
    )


def _against_anchor(evolution: Evolution) -> Iterator[Insight]:
    level, anchored = evolution.level, evolution.anchored
    if level is None or anchored is None:
        return
    if evolution.series.scale is Scale.RATIO and anchored.value <= 0.0:
        return  # Nothing is so many times as much as nothing.
    low, high = (compared(evolution, value, anchored.value) for value in (level.low, level.high))
    least = evolution.rules.min_shift
    lower, upper = (1.0 / (1.0 + least), 1.0 + least) if evolution.series.scale is Scale.RATIO else (-least, least)
    # The whole interval must lie beyond the margin.
    code, told = "at_anchor", "not surely beyond the margin of"
    if low > upper or high < lower:
        code = "worse_than_anchor" if is_worse(evolution, low) else "better_than_anchor"
        told = "higher than" if low > upper else "lower than"
    yield Insight(
        f"evolution.{code}",
        f"That is {told} the {quantity(anchored.value, evolution.series.unit)} of anchor"
        f" {printable(anchored.anchor_id)}: {told_bounds(evolution, low, high)}"
        f" (margin {margin(evolution)}).",
        {"anchor_id": anchored.anchor_id, "anchored": anchored.value, "low": low, "high": high, "margin": least},
    )


def _step(evolution: Evolution, step: ChangePoint) -> Insight:
    unit, worse = evolution.series.unit, is_worse(evolution, step.shift)
    segments = [segment for segment in evolution.segments if segment.first == step.index]
    held = f" and stayed so for {segments[0].level.n} intervals" if segments else ""
    return Insight(
        "evolution.step_worse" if worse else "evolution.step_better",
        f"At {moment(step.time_ns)} {subject(evolution)} went from {quantity(step.before, '')} to"
        f" {quantity(step.after, unit)}{held}: {told_shift(evolution, step.shift)}"
        f" ({told_bounds(evolution, step.shift_low, step.shift_high)} at"
        f" {percent(evolution.rules.confidence)}), to the {'worse' if worse else 'better'}. A series without any change"
        f" shows a step as clear with a chance of about {chance(step.p_value)} at most.",
        {
            "time_ns": step.time_ns,
            "earliest_ns": step.earliest_ns,
            "latest_ns": step.latest_ns,
            "before": step.before,
            "after": step.after,
            "shift": step.shift,
            "shift_low": step.shift_low,
            "shift_high": step.shift_high,
            "p_value": step.p_value,
            "n": len(evolution.kept),
        },
    )


def _before(evolution: Evolution, step: ChangePoint) -> Iterator[Insight]:
    near = [found for found in evolution.associations if found.target == step.index]
    close = [found for found in near if is_close(evolution, found)]
    for found in close:
        yield _precedes("that step", found)
    watched = sorted(kind.value for kind in evolution.watched & CAUSES)
    if close:
        return
    if not watched:
        sentence = "What came before that step is not known: no event was told."
    elif near:
        sentence = (
            f"What came before that step ({', '.join(named(found.event) for found in near[:3])})"
            " is no closer than chance would often put it."
        )
    else:
        hours = evolution.rules.max_lag_seconds / 3600
        sentence = f"Nothing of what was watched ({', '.join(watched)}) came in the {hours:g} hours before that step."
    yield Insight(
        "evolution.step_unexplained",
        sentence,
        {
            "time_ns": step.time_ns,
            "events": len(near),
            "least_adjusted_p": min((f.adjusted_p for f in near), default=1.0),
        },
    )


def _precedes(target: str, found: Association) -> Insight:
    when = "within the interval of" if found.lag_seconds == 0 else f"{duration(found.lag_seconds)} before"
    if found.lag_seconds < 0:
        when = f"{duration(-found.lag_seconds)} after the likeliest place, within the bounds, of"
    return Insight(
        "evolution.precedes",
        f"{beginning(named(found.event))} came {when} {target}. One of this kind is as close before"
        f" {percent(found.p_value, 1)} of all places (p {chance(found.adjusted_p)} over all pairs looked at): a reason"
        " to look, no proof.",
        {
            "event_id": found.event.id,
            "kind": found.event.kind.value,
            "event_ns": found.event.time_ns,
            "lag_seconds": found.lag_seconds,
            "p_value": found.p_value,
            "adjusted_p": found.adjusted_p,
        },
    )


def _repeated(evolution: Evolution) -> Iterator[Insight]:
    for found in evolution.kinds:
        if found.preceded > 1 and found.p_value * len(evolution.kinds) <= evolution.rules.association_rate:
            yield Insight(
                "evolution.kind_precedes",
                f"{found.preceded} of {found.targets} steps and breaches came within"
                f" {duration(found.within_seconds)} after {found.kind.value.replace('_', ' ')}; by chance it would be"
                f" {percent(found.by_chance, 1)} of them (p {chance(found.p_value)}, of {len(evolution.kinds)} kinds).",
                {
                    "kind": found.kind.value,
                    "preceded": found.preceded,
                    "targets": found.targets,
                    "by_chance": found.by_chance,
                    "p_value": found.p_value,
                },
            )


def _drift(evolution: Evolution) -> Iterator[Insight]:
    drift, ratio = evolution.drift, evolution.series.scale is Scale.RATIO
    if drift is None:
        return
    unit = "" if ratio else f" {evolution.series.unit}"

    def told(value: float) -> str:
        return f"{percent(value, 2, sign=True)}" if ratio else f"{value:+.3g}{unit}"

    days = (evolution.kept[-1].time_ns - evolution.kept[0].time_ns) / 86_400e9
    if days < 1.0 and not drift.is_drift:
        return  # what a day would bring is not to be told from less of it
    bounds = f"{told(drift.low)} to {told(drift.high)} at {percent(evolution.rules.confidence)}, n {drift.n}"
    over = f"{told(drift.over_window)} over the {days * 24.0:.1f} hours seen."
    if days >= 1.0:
        a_day = f"by {told(drift.per_day)} a day ({bounds})"
        over = f"{a_day}: {told(drift.over_window)} over the {days:.1f} days seen."
    sentence = (
        f"Between steps it drifts {over}"
        if drift.is_drift
        else f"Between steps there is no drift to speak of: {told(drift.per_day)} a day ({bounds})."
    )
    yield Insight(
        "evolution.drift" if drift.is_drift else "evolution.no_drift",
        sentence,
        {
            "per_day": drift.per_day,
            "low": drift.low,
            "high": drift.high,
            "over_window": drift.over_window,
            "days": days,
            "n": drift.n,
        },
    )


def _season(evolution: Evolution) -> Insight:
    season = evolution.seasonality
    evidence: dict[str, float | int | str] = {"days": season.days_of_history, "explained": season.explained}
    if not season.hours:
        return Insight("evolution.no_season", f"No season is taken out: {season.reason}.", evidence)
    low, high = min(season.effects), max(season.effects)
    hour = season.effects.index(high)
    day = f"day {hour // 24 + 1} of the week, " if season.hours > 24 else ""
    return Insight(
        "evolution.season",
        f"The season is taken out: {season.reason} that it was not taken from; it ranges from"
        f" {told_bounds(evolution, low, high)}, highest at {day}{hour % 24} h UTC.",
        {**evidence, "hours": season.hours, "lowest": low, "highest": high, "highest_hour": hour},
    )


def _correlated(evolution: Evolution) -> Iterator[Insight]:
    for found in evolution.correlations:
        is_found = found.p_value * len(evolution.correlations) <= evolution.rules.association_rate
        if is_found and abs(found.rho) >= _FEWEST_CORRELATED:
            yield Insight(
                "evolution.correlated",
                f"It moves {'with' if found.rho > 0 else 'against'} {printable(found.dimension)} of"
                f" {printable(found.series_id)}: rank correlation {found.rho:+.2f} of the differences between"
                f" neighbouring points (p {chance(found.p_value)}, n {found.n}).",
                {"series_id": found.series_id, "rho": found.rho, "p_value": found.p_value, "n": found.n},
            )
