"""Makes of single executions, as a log tells them, the latency of each query. Pure; reads no log.

A log that holds a selection of executions says nothing about how long a query takes: then none is made, and it says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
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


def logged_latencies(executions: Iterable[Execution], *, random: Random) -> dict[str, Latency]:
    """Return the latency of each query by its id. A failure whose duration is not known counts, without a time."""
    times: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, int] = defaultdict(int)
    for execution in executions:
        if execution.duration_ms is not None:
            times[execution.query_id].append(execution.duration_ms)
        errors[execution.query_id] += execution.is_error
    return {query_id: Latency.of(found, errors=errors[query_id], random=random) for query_id, found in times.items()}
