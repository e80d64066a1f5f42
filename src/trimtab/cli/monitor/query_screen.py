"""The monitor's screen of one query: its text without literals, and how it ran since the monitor began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from trimtab.cli.monitor.look import Look
from trimtab.cli.monitor.words import cut, number, seconds, trail


class QueryScreen(Look):
    """One query: its text without literals, and how it ran since the monitor began."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def __init__(self, server: str, query: str) -> None:
        super().__init__()
        self.server, self.query_id = server, query
        self._marks: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title", markup=False)
        with VerticalScroll():
            yield Static(id="life", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Read once what the ledger and the watchers tell of it."""
        self._marks = self.monitor.looking.marks(self.server, self.query_id)

    def draw(self) -> None:
        """Show the query."""
        live, width = self.monitor.looking.live, self.app.size.width
        self.query_one("#title", Static).update(self.monitor.title_line(f"{cut(self.server, 30)} {self.query_id}", ""))
        page = live.top_queries(self.server, limit=1000)
        query = next((each for each in page.queries if each.query_id == self.query_id), None)
        intervals = live.query_trail(self.server, self.query_id)
        lines = ["it did not run in the last minutes"]
        if query is not None:
            lines = [
                f"calls {number(query.calls)}   mean {number(query.mean_ms, 'ms')}"
                f"   deviation {number(query.deviation_ms, 'ms')}   share of the time {number(query.share, 'ratio')}",
                f"rows {number(query.rows)}   blocks {number(query.blocks)}"
                f"   temporary blocks {number(query.temporary_blocks)}",
                f"window: the last {seconds(page.window.measured_seconds)}, source: {page.source}",
            ]
        bars = max(min(width - 30, 100), 10)
        is_plain = self.monitor.has_plain_bars
        lines += [
            "",
            f"calls/s {trail([calls for _, calls, _ in intervals], bars, is_plain=is_plain)}",
            f"mean ms {trail([mean for _, _, mean in intervals], bars, is_plain=is_plain)}",
            "",
            cut(query.text if query is not None and query.text else "its text is not known", 20_000),
            "",
            "changes, anchors, alarms and plans:",
            *(cut(mark, width - 4) for mark in self._marks or ("none is known",)),
        ]
        self.query_one("#life", Static).update("\n".join(lines))

    def action_back(self) -> None:
        """Leave the query."""
        self.app.pop_screen()
