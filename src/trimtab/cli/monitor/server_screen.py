"""The monitor's screen of one server: numbers, trails, queries, sessions. What C and K ask for others decide."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from trimtab.api_history import ServerHealth
from trimtab.cli.monitor.look import Look
from trimtab.cli.monitor.operating import ConfirmScreen
from trimtab.cli.monitor.query_screen import QueryScreen
from trimtab.cli.monitor.rows import QUERIES, QUERY_ORDERS, SESSIONS, query_cells, session_cells
from trimtab.cli.monitor.table import Rows
from trimtab.cli.monitor.words import cut, number, seconds, trail, version
from trimtab.cli.text import printable
from trimtab.errors import TrimtabError
from trimtab.lifecycle.backends import SeenBackend
from trimtab.model.backend import BackendAct

_ALARM = "bold red"
_TOLD_SECONDS = 10


class ServerScreen(Look):
    """One server: its numbers, its queries or its sessions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("enter", "open", "Query"),
        Binding("v", "view", "Queries/sessions"),
        Binding("C", "end('cancel')", "Cancel"),
        Binding("K", "end('terminate')", "Terminate"),
        Binding("t,c,m,w,b", "order", "Sort t/c/m/w/b", show=False),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self.server, self.order, self.shows_sessions = name, "t", False

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title", markup=False)
        yield Static(id="numbers", markup=False)
        yield Rows(QUERIES, id="queries")
        yield Rows(SESSIONS, id="sessions")
        yield Footer()

    def on_mount(self) -> None:
        """Let the collectors read this server's sessions."""
        self.monitor.looking.collecting.focus = self.server

    def draw(self) -> None:
        """Show its numbers, and its queries or sessions."""
        live = self.monitor.looking.live
        health = live.health(self.server)
        self.query_one("#title", Static).update(
            self.monitor.title_line(
                f"{cut(health.name, 30)} {health.state}"
                + ("" if health.state == "up" else f" ({health.code}), values {seconds(health.age_seconds)} old"),
                "",
            )
        )
        numbers = self.query_one("#numbers", Static)
        numbers.set_class(health.state != "up", "old")
        numbers.update("\n".join(self._numbers(health)))
        queries, sessions = self.query_one("#queries", Rows), self.query_one("#sessions", Rows)
        queries.display, sessions.display = not self.shows_sessions, self.shows_sessions
        if self.shows_sessions:
            sessions.put(
                [
                    (str(each.pid), session_cells(each, sessions.columns_shown), _ALARM if each.blocked_by else "")
                    for each in live.sessions(self.server)
                ]
            )
        else:
            page = live.top_queries(self.server, sort=QUERY_ORDERS[self.order], limit=100)
            queries.put([(each.query_id, query_cells(each, queries.columns_shown), "") for each in page.queries])

    def _numbers(self, health: ServerHealth) -> list[str]:
        live, width = self.monitor.looking.live, self.app.size.width
        metrics = health.metrics

        def told(label: str, name: str) -> str:
            return f"{label} {number(metrics[name].value, metrics[name].unit)}"

        def shown(label: str, name: str) -> str:
            bars = trail(live.trail(self.server, name), 20, is_plain=self.monitor.has_plain_bars)
            return f"{label:<10} {number(metrics[name].value, metrics[name].unit):>10} {bars}"

        kind = "standby" if health.is_standby else "primary"
        waits = live.waits(self.server)
        waiting = ", ".join(f"{wait.kind}:{wait.event} {number(wait.sessions)}" for wait in waits.waits[:4])
        lines = [
            f"{cut(health.where, 40)}  PostgreSQL {version(health.version)}  {kind}  {cut(health.database, 20)}",
            f"{shown('tx', 'transactions_per_second')}  {shown('at work', 'active_sessions')}"
            if width >= 90
            else shown("tx", "transactions_per_second"),
            f"{shown('calls', 'calls_per_second')}  {shown('mean', 'mean_execution_ms')}"
            if width >= 90
            else shown("calls", "calls_per_second"),
            f"sessions {number(metrics['sessions'].value)}/{health.max_connections or '-'}, "
            f"{told('blocked', 'blocked_sessions')}, "
            f"{told('in transaction', 'idle_in_transaction_sessions')}, {told('hits', 'cache_hit_ratio')}",
            f"{told('WAL', 'wal_bytes_per_second')}, {told('read', 'read_bytes_per_second')}, "
            f"{told('written', 'write_bytes_per_second')}, {told('cpus', 'server_cpu_cores')}, "
            f"{told('lag', 'replication_lag_seconds')}",
            f"waits: {cut(waiting, max(width - 10, 20)) or waits.why or 'nobody is at work'}",
        ]
        missing = "; ".join(f"{name}: {why}" for name, why in health.missing.items())
        return [*lines, f"not measured: {cut(missing, max(width - 16, 20))}"] if missing else lines

    def on_data_table_row_selected(self, _: DataTable.RowSelected) -> None:
        """Open the query under the cursor."""
        self.action_open()

    def action_open(self) -> None:
        """Open the query under the cursor."""
        if not self.shows_sessions and (query := self.query_one("#queries", Rows).key_at_cursor) is not None:
            self.app.push_screen(QueryScreen(self.server, query))

    def action_view(self) -> None:
        """Show sessions instead of queries, or queries again."""
        self.shows_sessions = not self.shows_sessions
        self.draw()
        self.refresh_bindings()
        self.query_one("#sessions" if self.shows_sessions else "#queries", Rows).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """C and K are there while sessions are."""
        return self.shows_sessions if action == "end" else True

    def action_end(self, word: str) -> None:
        """Look at the session under the cursor anew, and ask whether it is to be ended, or its statement."""
        key = self.query_one("#sessions", Rows).key_at_cursor
        if key is not None:
            self._ask(BackendAct(word), int(key))

    @work(thread=True, exclusive=True, group="operating")
    def _ask(self, act: BackendAct, pid: int) -> None:
        try:
            seen = self.monitor.operating.look(self.server, pid)
        except TrimtabError as error:
            self.app.call_from_thread(self._tell, f"{error} [{error.code}]", is_done=False)
            return
        if refusal := seen.refusal(act):
            self.app.call_from_thread(self._tell, f"nothing was done to backend {pid}: {refusal}", is_done=False)
            return
        self.app.call_from_thread(self._confirm, act, seen)

    def _confirm(self, act: BackendAct, seen: SeenBackend) -> None:
        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._end(act, seen)

        self.app.push_screen(ConfirmScreen(act, seen), answered)

    @work(thread=True, exclusive=True, group="operating")
    def _end(self, act: BackendAct, seen: SeenBackend) -> None:
        from trimtab.cli.backends import ended_line

        try:
            ended = self.monitor.operating.end(self.server, act, seen)
        except TrimtabError as error:
            self.app.call_from_thread(self._tell, f"{error} [{error.code}]", is_done=False)
            return
        self.app.call_from_thread(self._tell, ended_line(ended), is_done=True)

    def _tell(self, text: str, *, is_done: bool) -> None:
        self.app.notify(
            printable(text), severity="information" if is_done else "warning", timeout=_TOLD_SECONDS, markup=False
        )

    def key_t(self) -> None:
        """Order by time."""
        self._by("t")

    def key_c(self) -> None:
        """Order by calls."""
        self._by("c")

    def key_m(self) -> None:
        """Order by mean time."""
        self._by("m")

    def key_w(self) -> None:
        """Order by rows."""
        self._by("w")

    def key_b(self) -> None:
        """Order by blocks."""
        self._by("b")

    def _by(self, order: str) -> None:
        self.order = order
        self.draw()

    def action_back(self) -> None:
        """Leave the server."""
        self.monitor.looking.collecting.focus = None
        self.app.pop_screen()
