"""Draws one or more series over time as SVG, with events as lettered marks: for pages that show the history.

The picture is text of bounded size, stands alone, reads in light, dark and on paper, and says in words what it shows.
Everything that comes from a database is escaped. Stretches in which nobody looked stay empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from trimtab.report.axes import TimeAxis, ValueAxis
from trimtab.report.figures import printable, utc_time

WIDTH, HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 78.0, 940.0, 40.0, 232.0
_MARKS_AT, _TICKS_AT, _LEGEND_AT = 246.0, 270.0, 290.0
_MARK_WIDTH = 16.0
_MOST_POINTS = 800
_MOST_LISTED = 12
_GAP_STEPS = 2.5


@dataclass(frozen=True, slots=True)
class PlotPoint:
    """A value from `at_ns` on, for `seconds`; None where it was not measured."""

    at_ns: int
    seconds: float
    value: float | None


@dataclass(frozen=True, slots=True)
class PlotMark:
    """Something that happened: one letter, and what it was in words."""

    at_ns: int
    letter: str
    told: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn: a title, the values' unit, the points, marks, and the window (UTC nanoseconds)."""

    title: str
    unit: str
    points: Sequence[PlotPoint]
    marks: Sequence[PlotMark]
    begin_ns: int
    end_ns: int


def series_plot(plot: Plot) -> str:
    """Return the picture as SVG text, ready to be a file."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
            f' height="{HEIGHT}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{_text(plot.title)}</title>',
            f'<desc id="desc">{_text(in_words(plot))}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="ink head" x="{_LEFT:g}" y="22">{_text(plot.title)}</text>',
            *_drawing(plot),
            "</svg>",
            "",
        )
    )


def in_words(plot: Plot) -> str:
    """Return what the picture shows: how many points, the least, the most, the last, and what happened."""
    found = [point.value for point in plot.points if point.value is not None]
    if not found:
        return "Not measured in this window."
    unit = f" {plot.unit}" if plot.unit else ""
    told = f"{len(found)} points, from {_number(min(found))} to {_number(max(found))}{unit}, last {_number(found[-1])}."
    marks = [f"{utc_time(mark.at_ns)} UTC: {printable(mark.told, limit=200)}" for mark in plot.marks[:_MOST_LISTED]]
    more = f" And {len(plot.marks) - _MOST_LISTED} more events." if len(plot.marks) > _MOST_LISTED else ""
    return told + (f" Events: {'; '.join(marks)}.{more}" if marks else "")


def _drawing(plot: Plot) -> Iterator[str]:
    points = _thinned([point for point in plot.points if point.value is not None])
    times = TimeAxis.of([plot.begin_ns, plot.end_ns], left=_LEFT, right=_RIGHT)
    if not points:
        yield f'<text class="soft" x="{_LEFT:g}" y="{(_TOP + _BOTTOM) / 2:g}">not measured in this window</text>'
    else:
        values = ValueAxis.of(
            [0.0, *(point.value or 0.0 for point in points)], top=_TOP, bottom=_BOTTOM, is_logarithmic=False
        )
        yield from _grid(plot, values)
        yield from _lines(points, times, values)
    for at, label in times.ticks():
        x = times.place(at)
        side = "end" if x > _RIGHT - 30 else "middle"
        yield f'<path class="grid" d="M{x:.1f} {_BOTTOM:g}v4"/>'
        yield f'<text class="soft {side}" x="{x:.1f}" y="{_TICKS_AT:g}">{_text(label)}</text>'
    yield f'<path class="axis" d="M{_LEFT:g} {_TOP:g}V{_BOTTOM:g}H{_RIGHT:g}"/>'
    yield from _marks(plot, times)


def _grid(plot: Plot, values: ValueAxis) -> Iterator[str]:
    for value in values.ticks():
        y = values.place(value)
        yield f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{_RIGHT:g}"/>'
        yield f'<text class="soft end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">{_number(value)}</text>'
    yield f'<text class="soft end" x="{_LEFT - 8:g}" y="{_TOP - 12:g}">{_text(plot.unit)}</text>'


def _lines(points: Sequence[PlotPoint], times: TimeAxis, values: ValueAxis) -> Iterator[str]:
    """A line for each stretch in which somebody looked; a stretch of one point is a dot."""
    stretch: list[str] = []
    last: PlotPoint | None = None
    for point in [*points, None]:
        is_gap = point is None or (
            last is not None and point.at_ns - last.at_ns > _GAP_STEPS * max(last.seconds, point.seconds) * 1e9
        )
        if is_gap and stretch:
            if len(stretch) == 1:
                x, y = stretch[0].split()
                yield f'<circle class="point" cx="{x}" cy="{y}" r="2"/>'
            else:
                yield f'<path class="line" d="M{"L".join(stretch)}"/>'
            stretch = []
        if point is not None:
            stretch.append(f"{times.place(point.at_ns):.1f} {values.place(point.value or 0.0):.1f}")
        last = point


def _thinned(points: Sequence[PlotPoint]) -> list[PlotPoint]:
    """Of many points keep the largest of each column: a peak must not vanish."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    size = -(-len(points) // _MOST_POINTS)
    columns = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        PlotPoint(column[0].at_ns, sum(each.seconds for each in column), max(each.value or 0.0 for each in column))
        for column in columns
    ]


def _marks(plot: Plot, times: TimeAxis) -> Iterator[str]:
    groups: list[tuple[float, list[PlotMark]]] = []
    for mark in sorted(plot.marks, key=lambda each: each.at_ns):
        x = times.place(mark.at_ns)
        if groups and x < groups[-1][0] + _MARK_WIDTH:
            groups[-1][1].append(mark)
        else:
            groups.append((x, [mark]))
    for x, marks in groups:
        letters = {mark.letter for mark in marks}
        label = marks[0].letter if len(letters) == 1 else str(len(marks)) if len(marks) < 100 else "…"
        told = "\n".join(f"{utc_time(mark.at_ns)}: {printable(mark.told, limit=200)}" for mark in marks[:_MOST_LISTED])
        yield f'<g class="event"><title>{_text(told)}</title><path d="M{x:.1f} {_TOP:g}V{_MARKS_AT - 7:g}"/>'
        yield f'<circle cx="{x:.1f}" cy="{_MARKS_AT:g}" r="7.5"/>'
        yield f'<text class="middle" x="{x:.1f}" y="{_MARKS_AT + 3.5:g}">{_text(label)}</text></g>'


def _number(value: float) -> str:
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _text(text: str) -> str:
    return escape(printable(text, limit=2000, may_break=True), quote=True)


_SHAPES = (
    "text{font:12px system-ui,sans-serif}.head{font-size:14px;font-weight:600}.end{text-anchor:end}"
    ".middle{text-anchor:middle}path{fill:none}.grid{stroke-width:.6}.axis{stroke-width:1}.line{stroke-width:1.5}"
    ".event path{stroke-width:.8;stroke-opacity:.6}.event circle{stroke-width:1}"
    ".event text{font-size:10px;font-weight:600}"
)


def _colours(paper: str, ink: str, soft: str, grid: str, line: str) -> str:
    return (
        f".paper{{fill:{paper}}}.ink,.event text{{fill:{ink}}}.soft{{fill:{soft}}}.grid{{stroke:{grid}}}"
        f".axis{{stroke:{soft}}}.line{{stroke:{line}}}.point{{fill:{line}}}"
        f".event path,.event circle{{stroke:{ink}}}.event circle{{fill:{paper}}}"
    )


# Text and marks differ by more than 4.5 to 1 from the paper in both schemes; no meaning is in a colour alone.
_LIGHT = _colours("#ffffff", "#1b1f24", "#57606a", "#d0d7de", "#0550ae")
_DARK = _colours("#0d1117", "#f0f3f6", "#9ea7b3", "#32383f", "#79c0ff")
STYLE = f"{_SHAPES}{_LIGHT}@media (prefers-color-scheme:dark){{{_DARK}}}@media print{{{_LIGHT}}}"
