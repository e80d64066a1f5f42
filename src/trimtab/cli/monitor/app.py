"""The monitor's program in a terminal: keys, screens, and a tick that draws. Starts and ends the collectors."""

from __future__ import annotations

import os
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from trimtab.cli.monitor.fleet_screen import FleetScreen
from trimtab.cli.monitor.help_screen import HelpScreen
from trimtab.cli.monitor.look import Look
from trimtab.cli.monitor.looking import Looking
from trimtab.cli.monitor.operating import Operating
from trimtab.cli.monitor.table import Rows
from trimtab.cli.monitor.words import seconds
from trimtab.cli.text import printable, utc_time

LEAST_REFRESH, LONGEST_REFRESH = 0.2, 60.0


class MonitorApp(App[None]):
    """Shows a fleet. `has_plain_bars` draws trails in ASCII; `operating` reaches the backends for C and K."""

    TITLE = "trimtab monitor"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layers: base; }
    #title { height: 1; text-style: bold; }
    #body { height: 1fr; }
    #servers { width: 1fr; height: 1fr; }
    #groups { width: 60; height: 1fr; padding: 0 1; scrollbar-gutter: stable; }
    #search { display: none; height: 3; }
    #numbers { height: auto; padding: 0 1; }
    #numbers.old { text-style: dim; }
    #queries, #sessions { height: 1fr; }
    #help { width: 76; height: auto; padding: 1 2; border: solid; }
    #confirm { width: 78; height: auto; padding: 1 2; border: solid; }
    HelpScreen, ConfirmScreen { align: center middle; }
    Rows:nocolor > .datatable--cursor { text-style: reverse; }
    Rows:nocolor > .datatable--header { text-style: bold underline; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "help", "Help"),
        Binding("space", "pause", "Pause", priority=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("plus", "pace(0.5)", "Faster", show=False),
        Binding("minus", "pace(2)", "Slower", show=False),
    ]

    def __init__(self, looking: Looking, operating: Operating, *, has_plain_bars: bool = False) -> None:
        # A terminal without colours gets no greys either: those are colours to it, or nonsense.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.looking = looking
        self.operating = operating
        self.has_plain_bars = has_plain_bars

    def on_mount(self) -> None:
        """Begin to look, and to draw."""
        self.push_screen(FleetScreen())
        self.looking.collecting.start()
        self._timer = self.set_interval(self.looking.refresh_seconds, self._tick)

    def on_unmount(self) -> None:
        """End the collectors."""
        self.looking.close()

    def title_line(self, what: str, search: str) -> str:
        """Return the first line of a screen."""
        trouble = self.looking.trouble
        # Its code where every terminal has room, what it says at the end.
        parts = [f"trimtab monitor  {what}" if trouble is None else f"trimtab monitor  [{trouble.code}]  {what}"]
        if search:
            parts.append(f"with {search!r}")
        parts.append(f"every {seconds(self.looking.refresh_seconds)}")
        parts.append("PAUSED" if self.looking.is_paused else f"{utc_time(self.looking.clock())[11:]} UTC")
        return "  ".join(parts if trouble is None else [*parts, printable(str(trouble))])

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    def action_pause(self) -> None:
        """Pause, or go on."""
        self.looking.pause()
        self._draw()

    def action_copy(self) -> None:
        """Copy the row under the cursor, by OSC 52: over SSH too."""
        for table in self.screen.query(Rows):
            if table.display and table.cells_at_cursor:
                self.copy_to_clipboard(" ".join(cell.strip() for cell in table.cells_at_cursor))
                self.notify("copied", timeout=2, markup=False)

    def action_pace(self, factor: float) -> None:
        """Look more or less often."""
        wanted = min(max(self.looking.refresh_seconds * factor, LEAST_REFRESH), LONGEST_REFRESH)
        self.looking.set_pace(wanted)
        self._timer.stop()
        self._timer = self.set_interval(wanted, self._tick)
        self._draw()

    def _tick(self) -> None:
        if self.looking.collecting.fault is not None:
            self.exit()
            return
        self._draw()

    def _draw(self) -> None:
        if isinstance(self.screen, Look):
            self.screen.draw()
