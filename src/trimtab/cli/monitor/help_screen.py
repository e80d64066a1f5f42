"""The monitor's keys, in words."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
  Enter   open the server or the query under the cursor
  Escape  back
  Space   pause: the collectors wait; again: go on
  /       filter the servers by words
  s       next order of the servers
  t c m w b   order queries by time, calls, mean, rows, blocks
  v       sessions instead of queries, and back
  C K     of sessions: cancel the statement, terminate the session; asks first
  d       the six groups instead of the servers (80 columns)
  b       the lifecycle as a board
  e       what happened
  i       what storage for indexes buys, as it was computed last
  y       copy the row under the cursor
  + -     look more often, less often
  ?       this help
  q       quit

  A server that is down keeps its last values, dimmed, with their age.
  A dash is what was not measured. But for C and K nothing changes a server."""


class HelpScreen(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(id="help"):
            yield Static("Keys\n\n" + HELP, markup=False)
