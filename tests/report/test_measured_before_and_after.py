"""Claims about what a report takes from the history: what an execution used before the changes, and after them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.lifecycle.lives import write_lives
from trimtab.api_report import optimization_report
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement
from trimtab.history.reading import open_history
from trimtab.history.sample import Name, Sample
from trimtab.history.slots import Slot
from trimtab.history.store import PULSE
from trimtab.history.tiers import HOUR
from trimtab.lifecycle.reported import OptimizationReport

HOUR_NS = 3600 * 10**9
NOW_NS = 497_222 * HOUR_NS
CHANGED_NS = NOW_NS - 12 * HOUR_NS + HOUR_NS // 2


@pytest.fixture
def report(tmp_path: Path) -> OptimizationReport:
    """Twelve hours before the changes each execution of q1 takes 8 ms, 40 buffers, 2 ms of CPU and 100 bytes; half as
    much afterwards."""
    write_lives(tmp_path / "ledger.db", clock=lambda: CHANGED_NS)
    with open_history(tmp_path / "history.db") as store, store.writing() as connection:
        server = store.server_id(connection, ServerFacts("shop"))
        facts = ServerFacts("shop", system_identifier="7", is_up=True, tried_ns=NOW_NS, last_ns=NOW_NS, database="shop")
        store.put_facts(connection, server, facts)
        known = KnownStatement(0, (10, 1, True), "q1", "SELECT 1", True, NOW_NS, NOW_NS)
        store.add_statements(connection, server, [known])
        for hour in range(24):
            begin_ns, factor = NOW_NS - (24 - hour) * HOUR_NS, 1.0 if hour < 12 else 0.5
            counts = np.array([[100.0, 800.0 * factor, 6400.0, 100.0, 4000.0 * factor, 0.0]])
            store.add_slot(connection, server, Slot(HOUR, begin_ns, 3600.0, 1.0, np.array([1]), counts))
            sums: dict[Name, float] = {
                ("statement", "seconds"): 3600.0, ("statement", "calls"): 100.0,
                ("statement", "total_ms"): 800.0 * factor, ("round", "seconds"): 3600.0,
                ("cpu", "server_seconds"): 0.2 * factor,
                ("io", "client backend", "relation", "normal", "read_bytes"): 10_000.0 * factor,
                ("io", "client backend", "relation", "normal", "write_bytes"): 0.0,
            }  # fmt: skip
            store.add_sample(connection, server, PULSE, HOUR, Sample(begin_ns, 3600.0, sums))
    return optimization_report(timeframe="1d", ledger_path=tmp_path / "ledger.db", clock=lambda: NOW_NS)


def test_what_an_execution_uses_is_compared_between_before_the_first_change_and_after_the_last(
    report: OptimizationReport,
) -> None:
    gains = {figure.name: figure for figure in report.analytics["resource_efficiency_gains"]}
    # The hour in which the changes were made counts to neither side, or to both in part: so much is allowed for it.
    for name, figure in gains.items():
        assert figure.value == pytest.approx(0.5, abs=0.08), (name, figure)
        assert figure.counted
        assert figure.low is None  # nobody measured an interval


def test_queries_of_kept_changes_are_told_as_they_ran_on_the_server(report: OptimizationReport) -> None:
    [seen] = report.on_servers
    assert seen.server == "shop"
    # The hour in which the change was made counts to neither side.
    assert [seen.before_ms, seen.after_ms] == pytest.approx([8.0, 4.0])
    assert [seen.before_calls, seen.after_calls] == [1200.0, 1100.0]
    assert seen.before.end_ns <= seen.after.begin_ns


def test_log_that_is_not_kept_finely_is_not_measured(report: OptimizationReport) -> None:
    costs = {figure.name: figure for figure in report.costs}
    assert costs["wal_bytes"].value is None
    assert costs["wal_bytes"].why == "it is not kept finely enough any more"
    assert costs["monitoring_load"].value == 0.0
