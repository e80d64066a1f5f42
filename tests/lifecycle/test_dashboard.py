"""The six groups say what the ledger and the servers tell, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.history.facts import ServerFacts
from trimtab.history.measure import health_of
from trimtab.history.sample import Name, Sample
from trimtab.history.values import ServerHealth, Window
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.dashboard import Figure, Watched, dashboard
from trimtab.lifecycle.dashboard_reading import DashboardReader
from trimtab.lifecycle.ledger_figures import LedgerFigures, ledger_figures

from .advised import write_advice
from .lives import Lives, create, intent_body, write_lives

NOW = 1_790_000_000 * 10**9
WINDOW = Window(NOW - 10 * 10**9, NOW, 10.0)


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return write_lives(tmp_path / "ledger.db")


def server(name: str, *, tps: float, is_standby: bool = False, cluster: str = "7", is_up: bool = True) -> ServerHealth:
    facts = ServerFacts(
        name, system_identifier=cluster, is_standby=is_standby, is_up=is_up, tried_ns=NOW, last_ns=NOW, version=180000
    )
    means: dict[Name, float] = {("sessions",): 5.0}
    if is_standby:
        means["replay_lag_seconds",] = 0.25
    sample = Sample(NOW - 10 * 10**9, 10.0, {("database", "shop", "commits"): tps * 10}, means)
    return health_of(facts, sample, WINDOW, NOW)


def figures(
    servers: list[ServerHealth], ledger: LedgerFigures | None = None, watched: tuple[Watched, ...] = ()
) -> dict[str, Figure]:
    board = dashboard(
        servers, ledger, anchors=None, watched=watched, calls_of_a_day=None, at_ns=NOW, window_seconds=10.0
    )
    return {figure.name: figure for group in board.groups for figure in group.figures}


def test_the_ledger_tells_what_stands_and_what_it_gained(lives: Lives) -> None:
    with Ledger.open(lives.path) as ledger:
        found = ledger_figures(ledger.entries())
    assert (found.databases, found.standing, found.kept, found.not_kept) == (1, 1, 1, 1)
    [gain] = found.gains
    assert gain == pytest.approx(1 - 1.25 / 9.5)
    assert (found.predicted, found.covered) == (5, 4)  # of one the trial was slower than was predicted


def test_the_groups_are_six_and_every_figure_says_where_it_is_from_or_why_it_is_not_there(tmp_path: Path) -> None:
    board = DashboardReader(tmp_path / "ledger.db").read([], calls_of_a_day=None, at_ns=NOW, window_seconds=10.0)
    assert [group.name for group in board.groups] == [
        "status", "optimization", "anchors", "resources", "performance", "distribution",
    ]  # fmt: skip
    for figure in (figure for group in board.groups for figure in group.figures):
        assert figure.why if figure.value is None else figure.source, figure
    assert not (tmp_path / "ledger.db").exists()


def test_the_reader_sees_the_ledger_and_reads_it_again_when_it_has_grown(lives: Lives) -> None:
    reader = DashboardReader(lives.path)

    def standing() -> float | None:
        board = reader.read([], calls_of_a_day=3.0, at_ns=NOW, window_seconds=10.0)
        return {f.name: f.value for group in board.groups for f in group.figures}["changes_standing"]

    assert standing() == 1.0
    board = reader.board(5)
    assert board is not None
    assert sum(column.total for column in board.columns) == 8


def test_compliance_is_a_second_look_at_what_was_applied_and_says_of_how_many_the_rules_were_at_hand(
    lives: Lives, tmp_path: Path
) -> None:
    def compliance(spec: Path | None = None) -> Figure:
        board = DashboardReader(lives.path, spec).read([], calls_of_a_day=None, at_ns=NOW, window_seconds=10.0)
        return next(figure for figure in board.groups[0].figures if figure.name == "compliance")

    assert compliance().value == 1.0
    assert "newest 2 judged again, for 0 the specification is at hand" in compliance().source
    with Ledger.open(lives.path) as ledger:  # before which no verdict stands
        ledger.append(Kind.APPLY_INTENDED, intent_body("s-0000000009", create("o9", "z"), "i9"), run_id="r-1")
        ledger.append(Kind.APPLY_DONE, {"intent_id": "i9", "seconds": 0.5}, run_id="r-1")
    assert compliance().value == pytest.approx(2 / 3)
    nothing = DashboardReader(tmp_path / "none" / "ledger.db").read(
        [], calls_of_a_day=None, at_ns=NOW, window_seconds=10.0
    )
    figure = next(figure for figure in nothing.groups[0].figures if figure.name == "compliance")
    assert (figure.value, figure.why) == (None, "there is no ledger yet")


def test_what_the_newest_advice_on_indexes_saves_is_told_with_its_time_and_source(lives: Lives) -> None:
    def advised() -> Figure:
        board = DashboardReader(lives.path).read([], calls_of_a_day=None, at_ns=NOW, window_seconds=10.0)
        return next(figure for figure in board.groups[1].figures if figure.name == "index_advice")

    assert advised().value is None
    assert "`trimtab indexes`" in advised().why
    write_advice(lives.path, at_ns=10**18, cost_after=4.75)
    write_advice(lives.path, at_ns=10**18 + 1, cost_after=1.9)
    assert advised().value == pytest.approx(0.8)
    assert advised().source == "trimtab indexes, 2001-09-09 01:46 UTC, shop: the planner, on the statistics twin"


def test_compliance_can_be_left_out(lives: Lives) -> None:
    reader = DashboardReader(lives.path)
    board = reader.read([], calls_of_a_day=None, at_ns=NOW, window_seconds=10.0, shows_compliance=False)
    assert "compliance" not in [figure.name for figure in board.groups[0].figures]


def test_load_is_balanced_within_a_cluster_and_not_across_clusters() -> None:
    even = [server("a", tps=10), server("b", tps=10, is_standby=True), server("c", tps=999, cluster="8")]
    assert figures(even)["load_balance"].value == pytest.approx(1.0)
    assert figures(even)["standby_share"].value == pytest.approx(0.5)
    assert figures(even)["replication_lag_seconds"].value == pytest.approx(0.25)
    one_does_all = [server("a", tps=10), server("b", tps=0, is_standby=True)]
    assert figures(one_does_all)["load_balance"].value == pytest.approx(0.5)
    alone = figures([server("a", tps=10)])["load_balance"]
    assert (alone.value, alone.why) == (None, "no primary is looked at together with a standby of its own")


def test_servers_that_are_down_count_in_no_sum() -> None:
    found = figures([server("a", tps=10), server("b", tps=5, is_up=False)])
    assert found["transactions_per_second"].value == pytest.approx(10)
    assert found["servers_up"].value == 1.0
    assert found["servers_up"].label == "Servers that answer, of 2"


def test_watchers_that_do_not_run_say_nothing() -> None:
    stopped = Watched("shop", is_running=False, open_alarms=3, levels={"quantum_coherence": 0.9})
    assert figures([], watched=(stopped,))["coherence"].value is None
    running = replace(stopped, is_running=True, insides={"response_latency": False})
    found = figures([], watched=(running, replace(running, insides={"response_latency": True})))
    assert found["coherence"].value == pytest.approx(0.9)
    assert found["consistency"].value == pytest.approx(0.5)
    assert found["open_alarms"].value == 6.0
    assert found["sigma_level"].value is None
    steady = figures([], watched=(replace(running, looks=1_000_000), replace(running, looks=0, breaches=0)))
    assert steady["sigma_level"].value == pytest.approx(4.53, abs=0.01)
