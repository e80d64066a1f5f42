"""Makes of single executions, as a log tells them, the latency of each query. Pure; reads no log.

A log that holds a selection of executions says nothing about how long a query takes: then none is made, and it says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from random import Random

from trimtab.model.execution import Execution
from trimtab.model.latency import Latency


def why_selective(settings: Mapping[str, str]) -> str:
    """Return why the log holds not every execution, in words; "" when it holds all. `settings` as the server's."""
    if settings.get("log_statement_sample_rate", "1") != "1" and settings.get("log_min_duration_statement") != "0":
        return "log_statement_sample_rate tells a share of the executions alone"
    is_timed = settings.get("log_min_duration_statement") == "0"
    is_sampled_whole = settings.get("log_min_duration_sample") == "0"
    is_explained = settings.get("auto_explain.log_min_duration") == "0"
    if is_explained and settings.get("auto_explain.sample_rate", "1") == "1":
        return ""
    if is_timed or is_sampled_whole:
        return ""
    if settings.get("log_duration") == "on" and settings.get("log_statement") == "all":
        return ""
    return "log_min_duration_statement is not 0: it tells the slow executions alone, or none"


class LogWindow:
    """The executions that ended in an anchor's window, as they pass through; `outside` counts the others.

    A log is mostly older than the window: what was slow or fast before must not be in the level of now. Without a
    beginning, nobody knows since when the server counts, all that ended before the window's end count.
    """

    __slots__ = ("_since_ns", "_until_ns", "outside")

    def __init__(self, since: str | None, until: str) -> None:
        self._since_ns = 0 if since is None else _ns(since)
        self._until_ns = _ns(until)
        self.outside = 0

    def within(self, executions: Iterable[Execution]) -> Iterator[Execution]:
        """Yield those that ended in the window."""
        for execution in executions:
            if self._since_ns <= execution.time_ns <= self._until_ns:
                yield execution
            else:
                self.outside += 1


def logged_latencies(executions: Iterable[Execution], *, random: Random) -> dict[str, Latency]:
    """Return the latency of each query by its id. A failure whose duration is not known counts, without a time."""
    times: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, int] = defaultdict(int)
    for execution in executions:
        if execution.duration_ms is not None:
            times[execution.query_id].append(execution.duration_ms)
        errors[execution.query_id] += execution.is_error
    return {query_id: Latency.of(found, errors=errors[query_id], random=random) for query_id, found in times.items()}


def _ns(at: str) -> int:
    """Return ISO 8601 as nanoseconds since the epoch, whole microseconds exactly."""
    moment = datetime.fromisoformat(at)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000
