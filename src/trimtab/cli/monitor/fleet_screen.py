"""The monitor's first screen: all servers, and the six groups where there is room. It asks no server itself."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import DataTable, Footer, Input, Static

from trimtab.api_history import ServerHealth
from trimtab.cli.monitor.board_screen import BoardScreen, EventsScreen
from trimtab.cli.monitor.groups import group_lines
from trimtab.cli.monitor.indexes_screen import IndexesScreen
from trimtab.cli.monitor.look import Look
from trimtab.cli.monitor.rows import FLEET, FLEET_SORTS, server_cells, sorted_servers
from trimtab.cli.monitor.server_screen import ServerScreen
from trimtab.cli.monitor.table import Rows

WIDE = 140
_PANEL = 56
"""The width of #groups (`app.py`) without its sides and the bar by which it is scrolled."""
_DOWN = "dim"
_ALARM = "bold red"


class FleetScreen(Look):
    """All servers, and the six groups where there is room."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Server"),
        Binding("s", "sort", "Sort"),
        Binding("slash", "filter", "Filter"),
        Binding("d", "groups", "Groups"),
        Binding("b", "board", "Board"),
        Binding("e", "events", "Events"),
        Binding("i", "indexes", "Indexes"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.sort, self.search, self.shows_groups = "name", "", False

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield Rows(FLEET, id="servers")
            with VerticalScroll(id="groups"):
                yield Static(id="figures", markup=False)
        yield Input(placeholder="words of a name; Enter keeps them, Escape drops them", id="search")
        yield Footer()

    def draw(self) -> None:
        """Show the servers in their order."""
        live = self.monitor.looking.live
        servers = sorted_servers(live.fleet(), self.sort, self.search)
        table = self.query_one(Rows)
        is_wide = self.app.size.width >= WIDE
        panel = self.query_one("#groups")
        panel.display = is_wide or self.shows_groups
        table.display = is_wide or not self.shows_groups
        table.put([(server.name, self._cells(server, table), _style(server)) for server in servers])
        board = self.monitor.looking.dashboard()  # which tells of a ledger that cannot be believed, on any screen
        up = sum(server.state == "up" for server in servers)
        self.query_one("#title", Static).update(
            self.monitor.title_line(f"{up} of {len(servers)} servers up, by {self.sort}", self.search)
        )
        if panel.display:
            self.query_one("#figures", Static).update("\n".join(group_lines(board, _PANEL)))

    def _cells(self, server: ServerHealth, table: Rows) -> list[str]:
        values = self.monitor.looking.live.trail(server.name, "transactions_per_second")
        return server_cells(server, table.columns_shown, values, is_plain=self.monitor.has_plain_bars)

    def on_data_table_row_selected(self, _: DataTable.RowSelected) -> None:
        """Open the server under the cursor."""
        self.action_open()

    def action_open(self) -> None:
        """Open the server under the cursor."""
        name = self.query_one(Rows).key_at_cursor
        if name is not None:
            self.app.push_screen(ServerScreen(name))

    def action_sort(self) -> None:
        """Take the next order."""
        self.sort = FLEET_SORTS[(FLEET_SORTS.index(self.sort) + 1) % len(FLEET_SORTS)]
        self.draw()

    def action_groups(self) -> None:
        """Show the six groups instead of the servers, or the servers again."""
        self.shows_groups = not self.shows_groups
        self.draw()

    def action_board(self) -> None:
        """Open the lifecycle's board."""
        self.app.push_screen(BoardScreen())

    def action_events(self) -> None:
        """Open what happened."""
        self.app.push_screen(EventsScreen())

    def action_indexes(self) -> None:
        """Open what storage for indexes buys."""
        self.app.push_screen(IndexesScreen())

    def action_filter(self) -> None:
        """Ask for words."""
        box = self.query_one(Input)
        box.display = True
        box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the words."""
        self._end_filter(event.value)

    def on_key(self, event: object) -> None:
        """Escape drops the words."""
        box = self.query_one(Input)
        if getattr(event, "key", "") == "escape" and box.display:
            box.value = ""
            self._end_filter("")

    def _end_filter(self, words: str) -> None:
        self.search = words
        self.query_one(Input).display = False
        self.query_one(Rows).focus()
        self.draw()


def _style(server: ServerHealth) -> str:
    if server.state != "up":
        return _DOWN
    blocked = server.metrics["blocked_sessions"].value
    return _ALARM if blocked else ""
