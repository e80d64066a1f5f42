"""Draws the life of a query or a dimension as SVG: points, levels, steps, the anchor, and events as lettered marks.

The picture is text of bounded size, stands alone, reads in light, dark and on paper, and says in words what it shows.
Everything that comes from a database is escaped. It computes nothing that an Evolution does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from html import escape
from statistics import median, quantiles

from trimtab.anchor.insights import insights
from trimtab.anchor.wording import beginning, chance, moment, named, printable, quantity, subject, told_shift
from trimtab.model.evolution import Event, EventKind, Evolution, Point, Scale, Segment
from trimtab.report.axes import TimeAxis, ValueAxis

WIDTH, HEIGHT = 960, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 78.0, 940.0, 56.0, 330.0
_EVENTS_AT, _TICKS_AT, _LEGEND_AT = 346.0, 376.0, 402.0
_MOST_POINTS = 600
_MOST_COLUMNS, _COLUMN_POINTS = 400, 15
_MARK_WIDTH = 16.0
_MOST_LISTED = 12
_HALF_LABEL = 30.0
_MOST_NAMED = 6

LETTERS = {
    EventKind.CHANGE_APPLIED: "C",
    EventKind.CHANGE_REVERTED: "R",
    EventKind.PLAN_CHANGED: "P",
    EventKind.SETTING_CHANGED: "S",
    EventKind.SCHEMA_CHANGED: "D",
    EventKind.ANALYZED: "A",
    EventKind.SERVER_RESTARTED: "B",
    EventKind.HOST_CHANGED: "H",
    EventKind.ANCHOR_RECORDED: "N",
    EventKind.BREACH: "!",
}

# Text and marks differ by more than 4.5 to 1 from the paper in both schemes; no meaning is in a colour alone.
_LIGHT = {"paper": "#ffffff", "ink": "#1b1f24", "soft": "#57606a", "grid": "#d0d7de"}
_LIGHT |= {"point": "#0550ae", "level": "#953800", "step": "#a40e26", "anchor": "#116329"}
_DARK = {"paper": "#0d1117", "ink": "#f0f3f6", "soft": "#9ea7b3", "grid": "#32383f"}
_DARK |= {"point": "#79c0ff", "level": "#ffa657", "step": "#ff9492", "anchor": "#56d364"}


def life_plot(evolution: Evolution) -> str:
    """Return the picture as SVG text, ready to be a file or a part of a page."""
    name = (
        "life-"
        + sha256(repr((evolution.series.id, evolution.series.dimension, evolution.kept)).encode()).hexdigest()[:10]
    )
    title = beginning(subject(evolution))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
            f' height="{HEIGHT}" role="img" aria-labelledby="{name}-title {name}-desc">',
            f'<title id="{name}-title">{_text(title)}</title>',
            f'<desc id="{name}-desc">{_text(" ".join(found.sentence for found in insights(evolution)))}</desc>',
            f"<style>{_style(name)}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="ink head" x="{_LEFT:g}" y="24">{_text(title)}</text>',
            *_drawing(evolution),
            "</svg>",
            "",
        )
    )


def _drawing(evolution: Evolution) -> Iterator[str]:
    if not evolution.kept:
        yield f'<text class="soft" x="{_LEFT:g}" y="{(_TOP + _BOTTOM) / 2:g}">There is no point to show.</text>'
        return
    times = TimeAxis.of([*(p.time_ns for p in evolution.kept)], left=_LEFT, right=_RIGHT)
    values = ValueAxis.of(
        list(_shown_values(evolution)), top=_TOP, bottom=_BOTTOM, is_logarithmic=evolution.series.scale is Scale.RATIO
    )
    yield f'<text class="soft" x="{_LEFT:g}" y="42">{_text(_summary(evolution))}</text>'
    yield from _grid(evolution, times, values)
    yield from _points(evolution, times, values)
    yield from _levels(evolution, times, values)
    yield from _anchor(evolution, values)
    yield from _steps(evolution, times)
    yield from _events(evolution, times)


def _shown_values(evolution: Evolution) -> Iterator[float]:
    yield from (point.value for point in evolution.kept)
    yield from (value for s in evolution.segments for value in (s.level.value, _begun(evolution, s)))
    anchored = evolution.anchored
    if anchored is not None and (anchored.value > 0 or evolution.series.scale is Scale.DIFFERENCE):
        yield anchored.value


def _summary(evolution: Evolution) -> str:
    level, unit = evolution.level, evolution.series.unit
    now = f"now {quantity(level.value, unit)}, " if level else ""
    season = ", drawn with its season" if evolution.seasonality.hours else ""
    steps = len(evolution.change_points)
    return f"{now}{len(evolution.kept)} intervals, {steps} step{'' if steps == 1 else 's'}{season}"


def _grid(evolution: Evolution, times: TimeAxis, values: ValueAxis) -> Iterator[str]:
    for value in values.ticks():
        y = values.place(value)
        yield f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{_RIGHT:g}"/>'
        yield f'<text class="soft end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">{_text(quantity(value, ""))}</text>'
    yield f'<text class="soft end" x="{_LEFT - 8:g}" y="{_TOP - 10:g}">{_text(printable(evolution.series.unit))}</text>'
    for at, label in times.ticks():
        x = times.place(at)
        yield f'<path class="grid" d="M{x:.1f} {_BOTTOM:g}v4"/>'
        side = "end" if x > _RIGHT - _HALF_LABEL else "middle"
        yield f'<text class="soft {side}" x="{x:.1f}" y="{_TICKS_AT:g}">{_text(label)}</text>'
    yield f'<path class="axis" d="M{_LEFT:g} {_TOP:g}V{_BOTTOM:g}H{_RIGHT:g}"/>'


def _points(evolution: Evolution, times: TimeAxis, values: ValueAxis) -> Iterator[str]:
    """Few points are drawn one by one; of many, the median of each column and the band of eight in ten."""
    kept = evolution.kept
    if len(kept) <= _MOST_POINTS:
        for point in kept:
            x, y = times.place(point.time_ns), values.place(point.value)
            yield f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="2"/>'
        return
    count = min(_MOST_COLUMNS, len(kept) // _COLUMN_POINTS)
    columns: dict[int, list[Point]] = {}
    for point in kept:
        share = (times.place(point.time_ns) - _LEFT) / (_RIGHT - _LEFT)
        columns.setdefault(min(int(share * count), count - 1), []).append(point)
    upper: list[str] = []
    middle: list[str] = []
    lower: list[str] = []
    for column in sorted(columns):
        found = [point.value for point in columns[column]]
        at = f"{_LEFT + (column + 0.5) / count * (_RIGHT - _LEFT):.1f}"
        tenths = quantiles(found, n=10, method="inclusive") if len(found) > 1 else [found[0]]
        upper.append(f"{at} {values.place(tenths[-1]):.1f}")
        lower.append(f"{at} {values.place(tenths[0]):.1f}")
        middle.append(f"{at} {values.place(median(found)):.1f}")
    yield f'<path class="band" d="M{"L".join(upper)}L{"L".join(reversed(lower))}Z"/>'
    yield f'<path class="line" d="M{"L".join(middle)}"/>'


def _levels(evolution: Evolution, times: TimeAxis, values: ValueAxis) -> Iterator[str]:
    for segment in evolution.segments:
        left, right = times.place(segment.start_ns), times.place(segment.end_ns)
        begun, ended = values.place(_begun(evolution, segment)), values.place(segment.level.value)
        told = f"level {quantity(segment.level.value, evolution.series.unit)}, {segment.level.n} intervals"
        slope = "" if begun == ended else " at the end of its drift"
        path = f"M{left:.1f} {begun:.1f}L{right:.1f} {ended:.1f}"
        yield f'<path class="level" d="{path}"><title>{_text(told + slope)}</title></path>'


def _begun(evolution: Evolution, segment: Segment) -> float:
    """Return where a segment's line begins: its level is told at its end, and drift leads there."""
    drift, level = evolution.drift, segment.level.value
    if drift is None or not drift.is_drift:
        return level
    days = (segment.end_ns - segment.start_ns) / 86_400e9
    is_ratio = evolution.series.scale is Scale.RATIO
    return level * (1.0 + drift.per_day) ** -days if is_ratio else level - drift.per_day * days


def _anchor(evolution: Evolution, values: ValueAxis) -> Iterator[str]:
    anchored = evolution.anchored
    if anchored is None or (anchored.value <= 0 and evolution.series.scale is Scale.RATIO):
        return
    y = values.place(anchored.value)
    told = f"anchor {printable(anchored.anchor_id)}: {quantity(anchored.value, evolution.series.unit)}"
    yield f'<path class="anchor" d="M{_LEFT:g} {y:.1f}H{_RIGHT:g}"><title>{_text(told)}</title></path>'
    yield f'<text class="anchored end" x="{_RIGHT:g}" y="{y - 5:.1f}">{_text(told)}</text>'


def _steps(evolution: Evolution, times: TimeAxis) -> Iterator[str]:
    shown_until = -_MARK_WIDTH
    for step in evolution.change_points:
        x = times.place(step.time_ns)
        left, right = times.place(step.earliest_ns), times.place(step.latest_ns)
        told = f"{moment(step.time_ns)}: {told_shift(evolution, step.shift)}, p {chance(step.p_value)}"
        width, height = max(right - left, 0.5), _BOTTOM - _TOP
        yield f'<rect class="where" x="{left:.1f}" y="{_TOP:g}" width="{width:.1f}" height="{height:g}"/>'
        yield f'<path class="step" d="M{x:.1f} {_TOP:g}V{_BOTTOM:g}"><title>{_text(told)}</title></path>'
        if x >= shown_until:
            near = x > _RIGHT - 80
            anchor, offset = ("end", -4.0) if near else ("start", 4.0)
            label = _text(told_shift(evolution, step.shift))
            yield f'<text class="stepped {anchor}" x="{x + offset:.1f}" y="{_TOP + 12:g}">{label}</text>'
            shown_until = x + 80.0


def _events(evolution: Evolution, times: TimeAxis) -> Iterator[str]:
    """Events that would overlap share the mark of their first, which tells their number and lists them."""
    marks: list[tuple[float, list[Event]]] = []
    for event in evolution.events:
        x = times.place(event.time_ns)
        if marks and x < marks[-1][0] + _MARK_WIDTH:
            marks[-1][1].append(event)
        else:
            marks.append((x, [event]))
    for x, events in marks:
        told = [f"{moment(event.time_ns)}: {named(event)}" for event in events[:_MOST_LISTED]]
        if len(events) > _MOST_LISTED:
            told.append(f"and {len(events) - _MOST_LISTED} more")
        kinds = {event.kind for event in events}
        label = LETTERS[events[0].kind] if len(kinds) == 1 else str(len(events)) if len(events) < 100 else "…"
        title = _text("\n".join(told))
        yield f'<g class="event"><title>{title}</title><path d="M{x:.1f} {_TOP:g}V{_EVENTS_AT - 7:g}"/>'
        yield f'<circle cx="{x:.1f}" cy="{_EVENTS_AT:g}" r="7.5"/>'
        yield f'<text class="middle" x="{x:.1f}" y="{_EVENTS_AT + 3.5:g}">{label}</text></g>'
    yield from _legend([events for _, events in marks])


def _legend(marks: list[list[Event]]) -> Iterator[str]:
    kinds = dict.fromkeys(event.kind for events in marks for event in events)
    told = [f"{LETTERS[kind]} {kind.value.replace('_', ' ')}" for kind in kinds]
    if any(len({event.kind for event in events}) > 1 for events in marks):
        told.append("a number: so many events of several kinds")
    for number, part in enumerate((told[:_MOST_NAMED], told[_MOST_NAMED:])):
        if part:
            y = _LEGEND_AT + 16 * number
            yield f'<text class="soft" x="{_LEFT:g}" y="{y:g}">{_text("  ·  ".join(part))}</text>'


def _style(name: str) -> str:
    """Return rules that hold in this picture alone; paper gets the light scheme."""
    shapes = (
        "text{font:12px system-ui,sans-serif}.head{font-size:15px;font-weight:600}.end{text-anchor:end}"
        ".middle{text-anchor:middle}.start{text-anchor:start}path{fill:none}.grid{stroke-width:.6}.axis{stroke-width:1}"
        ".point{fill-opacity:.55}.band{fill-opacity:.25}.line{stroke-width:1.2}.level{stroke-width:2.5}"
        ".anchor{stroke-width:1.5;stroke-dasharray:7 4}.step{stroke-width:1.5;stroke-dasharray:2 3}"
        ".where{fill-opacity:.12}.event path{stroke-width:.8;stroke-opacity:.6}.event circle{stroke-width:1}"
        ".event text{font-size:10px;font-weight:600}"
    )
    dark = f"@media (prefers-color-scheme:dark){{{_scoped(name, _colours(_DARK))}}}"
    paper = f"@media print{{{_scoped(name, _colours(_LIGHT))}}}"
    return _scoped(name, shapes) + _scoped(name, _colours(_LIGHT)) + dark + paper


def _colours(of: dict[str, str]) -> str:
    return (
        f".paper{{fill:{of['paper']}}}.ink,.event text{{fill:{of['ink']}}}.soft{{fill:{of['soft']}}}"
        f".grid{{stroke:{of['grid']}}}.axis{{stroke:{of['soft']}}}.point,.band{{fill:{of['point']}}}"
        f".line{{stroke:{of['point']}}}.level{{stroke:{of['level']}}}.step{{stroke:{of['step']}}}"
        f".where,.stepped{{fill:{of['step']}}}.anchor{{stroke:{of['anchor']}}}.anchored{{fill:{of['anchor']}}}"
        f".event path,.event circle{{stroke:{of['ink']}}}.event circle{{fill:{of['paper']}}}"
    )


def _scoped(name: str, rules: str) -> str:
    """Return the rules with each of their selectors beneath the picture's id: a page may hold several pictures."""
    scoped = []
    for rule in rules.split("}")[:-1]:
        selectors, _, body = rule.partition("{")
        scoped.append(f"{','.join(f'#{name} {one}' for one in selectors.split(','))}{{{body}}}")
    return "".join(scoped)


def _text(text: str) -> str:
    """Return text as XML holds it; what XML 1.0 has no place for is replaced."""
    allowed = "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return escape(allowed, quote=True)
