"""Draws the frontier of an advice as SVG: what so much storage for indexes brings the workload's cost to.

The picture stands alone, reads in light, dark and on paper, and says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from trimtab.lifecycle.kept_advice import KeptAdvice
from trimtab.report.axes import ValueAxis
from trimtab.report.figures import printable, size
from trimtab.report.series_plot import STYLE

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 78.0, 620.0, 40.0, 240.0


def frontier_plot(advice: KeptAdvice) -> str:
    """Return the picture as SVG text."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
            f' height="{HEIGHT}" role="img" aria-labelledby="title desc">',
            '<title id="title">Cost of the workload by the storage of new indexes</title>',
            f'<desc id="desc">{_text(in_words(advice))}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="ink head" x="{_LEFT:g}" y="22">Cost of the workload by the storage of new indexes</text>',
            *_drawing(advice),
            "</svg>",
            "",
        )
    )


def in_words(advice: KeptAdvice) -> str:
    """Return what the picture shows."""
    told = [f"{size(point.size_bytes)}: {point.cost:,.1f} {advice.unit}" for point in advice.frontier]
    return f"{len(told)} sets of indexes that no other one beats. {'; '.join(told)}." if told else "Not measured."


def _drawing(advice: KeptAdvice) -> Iterator[str]:
    points = advice.frontier
    if not points:
        yield f'<text class="soft" x="{_LEFT:g}" y="{(_TOP + _BOTTOM) / 2:g}">not measured</text>'
        return
    costs = ValueAxis.of([0.0, *(p.cost for p in points)], top=_TOP, bottom=_BOTTOM, is_logarithmic=False)
    most = max(point.size_bytes for point in points) or 1
    for cost in costs.ticks():
        y = costs.place(cost)
        yield f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{_RIGHT:g}"/>'
        yield f'<text class="soft end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">{cost:,.6g}</text>'
    yield f'<text class="soft end" x="{_LEFT - 8:g}" y="{_TOP - 12:g}">{_text(advice.unit)}</text>'
    for part, side in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = _LEFT + part * (_RIGHT - _LEFT)
        yield f'<text class="soft {side}" x="{x:.1f}" y="{_BOTTOM + 20:g}">{size(round(most * part))}</text>'
    places = [(_LEFT + point.size_bytes / most * (_RIGHT - _LEFT), costs.place(point.cost), point) for point in points]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y, _ in places[1:])
    yield f'<path class="line" d="{path}"/>'
    for x, y, point in places:
        told = f"{size(point.size_bytes)}, {point.indexes} indexes: {point.cost:,.1f} {advice.unit}"
        yield f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{_text(told)}</title></circle>'
    yield f'<path class="axis" d="M{_LEFT:g} {_TOP:g}V{_BOTTOM:g}H{_RIGHT:g}"/>'


def _text(text: str) -> str:
    return escape(printable(text), quote=True)
