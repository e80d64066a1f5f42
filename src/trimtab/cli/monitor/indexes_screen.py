"""The monitor's screen of what storage buys: the newest advices on indexes as they were computed. It computes none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from trimtab.cli.monitor.look import Look
from trimtab.cli.monitor.words import NOT_MEASURED, cut
from trimtab.cli.text import size, utc_time
from trimtab.lifecycle.kept_advice import SOURCE, KeptAdvice

_SHOWN = 5
_COLUMNS = 40


class IndexesScreen(Look):
    """The frontiers of the newest advices, and the indexes that each chose."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title", markup=False)
        with VerticalScroll():
            yield Static(id="advice", markup=False)
        yield Footer()

    def draw(self) -> None:
        """Show what is kept."""
        self.query_one("#title", Static).update(self.monitor.title_line("what storage for indexes buys", ""))
        found = self.monitor.looking.reader.advice(_SHOWN)
        lines = [line for advice in found for line in advice_lines(advice, self.app.size.width)]
        nothing = f"{NOT_MEASURED}: no advice was computed yet; `trimtab indexes --database NAME` does"
        self.query_one("#advice", Static).update("\n".join(lines or [nothing]))

    def action_back(self) -> None:
        """Leave the screen."""
        self.app.pop_screen()


def advice_lines(advice: KeptAdvice, width: int) -> Iterator[str]:
    """Yield an advice in lines: when and by what it was computed, its frontier, its indexes."""
    yield cut(f"{advice.database or 'a database'}, {utc_time(advice.at_ns)} UTC, run {advice.run_id}", width)
    yield cut(f"  source: trimtab indexes, {SOURCE}; costs in {advice.unit}", width)
    proof = "how near to the best was not proven" if advice.gap is None else f"none is better by {advice.gap:.2%}"
    yield cut(
        f"  cost {advice.cost_before:,.1f} to {advice.cost_after:,.1f} with {size(advice.size_bytes)}; {proof}", width
    )
    for point in advice.frontier:
        share = point.cost / advice.cost_before if advice.cost_before > 0 else 0.0
        bar = "#" * round(share * max(min(width - _COLUMNS, _COLUMNS), 0))
        yield f"  {size(point.size_bytes):>10} {point.indexes:>4} indexes {point.cost:>14,.1f} {bar}"
    for index in advice.indexes:
        saves = f"{size(index.size_bytes)}, saves {index.value:,.1f} {advice.unit}"
        yield cut(f"  {index.name} ({index.kind}): {saves}, {index.outcome} {index.strategy_id}", width)
    yield ""
