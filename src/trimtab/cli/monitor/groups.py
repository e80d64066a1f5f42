"""The dashboard's six groups as lines of a given width. Pure."""

from __future__ import annotations

from trimtab.cli.monitor.words import DASH, cut, number
from trimtab.lifecycle.dashboard import Dashboard

_VALUE_WIDTH = 11


def group_lines(board: Dashboard, width: int) -> list[str]:
    """Return the groups, a figure a line; what is not measured is a dash, and says why where there is room."""
    lines: list[str] = []
    for group in board.groups:
        lines.append(group.title)
        for figure in group.figures:
            value = DASH if figure.value is None else number(figure.value, figure.unit)
            line = f" {cut(figure.label, width - _VALUE_WIDTH - 2):<{width - _VALUE_WIDTH - 2}}{value:>{_VALUE_WIDTH}}"
            lines.append(line)
            if figure.value is None and figure.why:
                lines.append(f"   ({cut(figure.why, width - 5)})")
    return lines
