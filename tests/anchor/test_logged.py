"""Claims about executions of a log: they make a latency only where the log holds all of them; failures count."""

from __future__ import annotations

from random import Random

import pytest

from trimtab.anchor.logged import LogWindow, logged_latencies, why_selective
from trimtab.model.execution import Execution

ALL = {"log_min_duration_statement": "0", "log_duration": "off", "log_statement": "none"}


@pytest.mark.parametrize(
    "settings",
    [
        ALL,
        {"log_min_duration_statement": "-1", "log_min_duration_sample": "-1", "auto_explain.log_min_duration": "0"},
        {"log_min_duration_statement": "-1", "log_duration": "on", "log_statement": "all"},
    ],
)
def test_a_log_of_all_executions_is_not_selective(settings: dict[str, str]) -> None:
    assert why_selective(settings) == ""


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"log_min_duration_statement": "250"},
        {"log_min_duration_statement": "-1", "log_min_duration_sample": "0", "log_statement_sample_rate": "0.1"},
        {"log_min_duration_statement": "-1", "log_duration": "on", "log_statement": "none"},
        {"auto_explain.log_min_duration": "0", "auto_explain.sample_rate": "0.01"},
    ],
)
def test_a_log_of_some_executions_says_why(settings: dict[str, str]) -> None:
    assert why_selective(settings)


def test_executions_become_the_latency_of_their_query() -> None:
    def execution(query_id: str, ms: float | None, *, is_error: bool = False) -> Execution:
        return Execution(1, query_id, None, "shop", "app", ms, None, is_error)

    found = logged_latencies(
        [execution("a", 1.0), execution("a", 3.0), execution("b", 900.0, is_error=True), execution("c", None)],
        random=Random(1),
    )
    assert set(found) == {"a", "b"}
    assert (found["a"].count, found["a"].sum_ms, found["a"].errors) == (2, 4.0, 0)
    assert (found["b"].count, found["b"].errors) == (1, 1)


def test_executions_outside_of_the_window_are_left_out_and_counted() -> None:
    since, until = 1_700_000_000_000_000_000, 1_700_000_060_500_000_000
    at = [since - 1, since, until, until + 1]
    found = [Execution(ns, "a", None, "shop", "app", float(number), None, False) for number, ns in enumerate(at)]
    window = LogWindow("2023-11-14T22:13:20Z", "2023-11-14T22:14:20.500000Z")
    assert [e.duration_ms for e in window.within(found)] == [1.0, 2.0]
    assert window.outside == 2
    unknown = LogWindow(None, "2023-11-14T22:14:20.500000Z")
    assert [e.duration_ms for e in unknown.within(found)] == [0.0, 1.0, 2.0]
    assert unknown.outside == 1
