"""The monitor's screens of the lifecycle, as a board, and of what happened. They read, and change nothing."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from trimtab.cli.monitor.look import Look
from trimtab.cli.monitor.plain import event_line
from trimtab.cli.monitor.words import cut, number
from trimtab.cli.text import utc_time
from trimtab.errors import TrimtabError


class BoardScreen(Look):
    """The lifecycle as a board: each strategy under the stage that it has reached."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title", markup=False)
        with VerticalScroll():
            yield Static(id="board", markup=False)
        yield Footer()

    def draw(self) -> None:
        """Show the stages with their strategies."""
        self.query_one("#title", Static).update(self.monitor.title_line("lifecycle", ""))
        try:
            board = self.monitor.looking.reader.board(8)
        except TrimtabError as error:
            self.query_one("#board", Static).update(f"{error} [{error.code}]")
            return
        if board is None:
            self.query_one("#board", Static).update("there is no ledger yet: nothing was tried")
            return
        lines = []
        for column in board.columns:
            lines.append(f"{column.stage.value.upper()} ({column.total})")
            for card in column.cards:
                gain = "" if card.improvement is None else f", {number(card.improvement, 'ratio')} of the time saved"
                state = card.outcome.value if card.outcome is not None else card.approval or "open"
                text = f"{card.strategy_id} {state}{gain}, {card.database}: {card.title}"
                lines.append(f"  {utc_time(card.last_ns)[5:16]} {cut(text, self.app.size.width - 16)}")
        self.query_one("#board", Static).update("\n".join(lines))

    def action_back(self) -> None:
        """Leave the board."""
        self.app.pop_screen()


class EventsScreen(Look):
    """What happened since the monitor began, the newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title", markup=False)
        with VerticalScroll():
            yield Static(id="events", markup=False)
        yield Footer()

    def draw(self) -> None:
        """Show the events."""
        self.query_one("#title", Static).update(self.monitor.title_line("events since the monitor began", ""))
        events = [event_line(event) for event in self.monitor.looking.live.events(limit=200)]
        self.query_one("#events", Static).update("\n".join(events) or "nothing has happened yet")

    def action_back(self) -> None:
        """Leave the events."""
        self.app.pop_screen()
