"""The figures of a report: the four groups of the original's `optimization_analytics`, and what everything cost. Pure.

A figure that nobody measured has no value and says why. An interval is told where one was measured, and nowhere else.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.anchor.binomial import rate_lower_bound, rate_upper_bound
from trimtab.anchor.stability import LOOKS, stability
from trimtab.history.values import QueryTotals, ServerHealth, Window
from trimtab.ledger.entry import Kind
from trimtab.lifecycle.change_detail import ChangeDetail
from trimtab.lifecycle.dashboard import dashboard
from trimtab.lifecycle.reported import Measured, WatchSeen
from trimtab.model.strategy import Outcome
from trimtab.trial.gain_interval import gain_interval

CONFIDENCE = 0.9
_ENDS = 0.95
"""Each end of a two-sided interval of 90 %."""
_TRIALS = "ledger: paired trials in the lab"
_NO_CLUSTER = "no cluster was optimized: the ledger has no run of it"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Servers and their queries before the first change of the window, and after the last: what was used per execution.

    `queries` are by server and id. Both windows are empty where nothing was changed, or nobody looked.
    """

    before: Sequence[ServerHealth] = ()
    after: Sequence[ServerHealth] = ()
    queries_before: Mapping[tuple[str, str], QueryTotals] = field(default_factory=dict[tuple[str, str], QueryTotals])
    queries_after: Mapping[tuple[str, str], QueryTotals] = field(default_factory=dict[tuple[str, str], QueryTotals])
    why: str = "nothing was changed in the window"


def analytics(
    window: Window,
    changes: Sequence[ChangeDetail],
    servers: Sequence[ServerHealth],
    stretch: Stretch,
    watched: Sequence[WatchSeen],
) -> dict[str, tuple[Measured, ...]]:
    """Return the four groups with the original's keys, in its order. `servers` have their metrics of the window."""
    return {
        "query_performance_improvements": (
            average_speedup(window, changes),
            success_rate(window, changes),
            prediction_accuracy(window, changes),
        ),
        "resource_efficiency_gains": (
            _per_execution(
                "cpu_optimization", stretch, window, ("server_cpu_cores",), "/proc and pg_stat_statements", "CPU time"
            ),
            _memory(stretch, window),
            _per_execution(
                "io_performance", stretch, window, ("read_bytes_per_second", "write_bytes_per_second"),
                "pg_stat_io and pg_stat_statements", "bytes read and written",
            ),
        ),
        "temporal_anchoring_metrics": _anchoring(window, watched),
        "distributed_optimization_results": _distribution(window, servers),
    }  # fmt: skip


def average_speedup(window: Window, changes: Sequence[ChangeDetail]) -> Measured:
    """Return by how much faster kept strategies made their queries in the lab, on average: 0.5 is +50 %.

    The interval holds for all strategies together (Bonferroni), so each one's is wider than the one shown with it.
    """
    kept = [each for each in changes if each.card.outcome is Outcome.KEPT]
    trials = [each.trial for each in kept if each.trial is not None and (each.trial.improvement or 0.0) < 1.0]
    measured = [trial for trial in trials if trial.improvement is not None]
    found = Measured("average_speedup", "gain", None, window, _TRIALS, "no change with a trial was kept in the window")
    if not measured:
        return found
    mean = statistics.fmean(_speedup(trial.improvement or 0.0) for trial in measured)
    each_confidence = 1.0 - (1.0 - CONFIDENCE) / len(measured)
    intervals = [gain_interval(trial.rounds, trial.scale, confidence=each_confidence) for trial in measured]
    lows = [each.low for each in intervals if each is not None and each.low is not None and each.low < 1]
    highs = [each.high for each in intervals if each is not None and each.high is not None and each.high < 1]
    has_all = len(lows) == len(highs) == len(measured)
    return replace(
        found, value=mean, why="", counted=_counted(len(measured), "kept strategy", "kept strategies"),
        low=statistics.fmean(map(_speedup, lows)) if has_all else None,
        high=statistics.fmean(map(_speedup, highs)) if has_all else None,
        confidence=CONFIDENCE if has_all else None,
    )  # fmt: skip


def success_rate(window: Window, changes: Sequence[ChangeDetail]) -> Measured:
    """Return the share of applied strategies that were kept and stand, with its exact interval."""
    applied = [each for each in changes if any(entry.kind is Kind.APPLY_DONE for entry in each.entries)]
    ended = [each for each in applied if each.card.outcome is not None]
    kept = sum(each.card.outcome is Outcome.KEPT for each in ended)
    found = Measured("optimization_success_rate", "share", None, window, "ledger: what was applied, and how it ended")
    return _share(found, kept, len(ended), "applied strategies", "no strategy was applied in the window")


def prediction_accuracy(window: Window, changes: Sequence[ChangeDetail]) -> Measured:
    """Return the share of trials whose time lay within the interval that was predicted for it."""
    pairs = [
        (each.prediction, each.trial)
        for each in changes
        if each.prediction is not None and each.prediction.unit == "ms" and each.trial is not None and each.trial.pairs
    ]
    inside = sum(prediction.low <= trial.after_ms <= prediction.high for prediction, trial in pairs)
    stated = sorted({prediction.confidence for prediction, _ in pairs})
    counted = f"trials, predicted at {', '.join(f'{each:.0%}' for each in stated)}"
    found = Measured("neural_accuracy", "share", None, window, "ledger: predictions and trials")
    return _share(found, inside, len(pairs), counted, "no trial had a prediction in milliseconds in the window")


def _per_execution(
    name: str, stretch: Stretch, window: Window, metrics: Sequence[str], source: str, what: str
) -> Measured:
    """Return which share of what an execution uses was saved; the mix of queries is not adjusted for."""
    found = Measured(name, "gain", None, window, source)
    rates = []
    calls = []
    for servers in (stretch.before, stretch.after):
        used = ran = 0.0
        for server in servers:
            values = [server.metrics[each].value for each in metrics]
            rate, seconds = server.metrics["calls_per_second"].value, server.window.measured_seconds
            if rate and seconds and all(value is not None for value in values):
                used += sum(value for value in values if value is not None) * seconds
                ran += rate * seconds
        rates.append(used / ran if ran else None)
        calls.append(ran)
    before, after = rates
    if before is None or after is None or before <= 0:
        why = stretch.why or f"{what} and executions were not both measured before the first change and after the last"
        return replace(found, why=why)
    counted = (
        f"{what} per execution: {calls[0]:,.0f} executions before the first change, {calls[1]:,.0f} after the last"
    )
    return replace(found, value=1.0 - after / before, counted=counted)


def _memory(stretch: Stretch, window: Window) -> Measured:
    """Return which share of the buffers that the same queries touch was saved, weighted by executions after."""
    found = Measured("memory_efficiency", "gain", None, window, "pg_stat_statements")
    both = [
        (stretch.queries_before[key], after)
        for key, after in stretch.queries_after.items()
        if key in stretch.queries_before
    ]
    both = [(one, other) for one, other in both if one.calls > 0 and other.calls > 0]
    was = sum(one.blocks / one.calls * other.calls for one, other in both)
    if was <= 0:
        why = stretch.why or "no query ran both before the first change and after the last where somebody looked"
        return replace(found, why=why)
    now = sum(other.blocks for _, other in both)
    counted = (
        f"buffers per execution of the same {len(both)} queries, weighted by their executions after the last change"
    )
    return replace(found, value=1.0 - now / was, counted=counted)


def _anchoring(window: Window, watched: Sequence[WatchSeen]) -> tuple[Measured, ...]:
    stable = [each.stable for each in watched if each.stable is not None]
    span = window
    if stable:
        since = min(each.since_ns for each in watched if each.stable is not None)
        span = Window(since, max(each.round_ns for each in watched if each.stable is not None))
    whole = stability(sum(each.observed for each in stable), sum(each.breaches for each in stable), unit=LOOKS)
    source = "trimtab watch: looks at statements against their service levels"
    why = "nobody watched: `trimtab watch` does" if not watched else "the watchers still learn"
    sigma = Measured("anchor_stability", "sigma", None, span, source, why)
    inside = Measured("performance_consistency", "share", None, span, source, why)
    if whole is not None:
        counted = f"{whole.breaches:,} of {whole.observed:,} looks beyond the service level"
        sigma = replace(
            sigma, value=whole.sigma_level, why="", confidence=whole.confidence, low=whole.sigma_level, counted=counted
        )
        inside = replace(
            inside, value=1.0 - whole.breaches / whole.observed, why="", confidence=whole.confidence,
            low=1.0 - whole.at_most_per_million / 1e6, counted=counted,
        )  # fmt: skip
    levels = [each for each in watched if each.coherence is not None]
    coherent = Measured(
        "temporal_coherence", "share", None, window, "trimtab watch: time whose plan and latency match the level", why
    )
    if levels:
        last = max(levels, key=lambda each: each.round_ns)
        value = statistics.fmean(each.coherence or 0.0 for each in levels)
        coherent = replace(
            coherent, value=value, why="", window=Window(last.round_ns, last.round_ns),
            counted=f"the last look at {_counted(len(levels), 'database', 'databases')}",
        )  # fmt: skip
    return sigma, inside, coherent


def _distribution(window: Window, servers: Sequence[ServerHealth]) -> tuple[Measured, ...]:
    seen = [replace(each, state="up") for each in servers if each.window.measured_seconds]
    board = dashboard(seen, None, anchors=None, watched=(), calls_of_a_day=None, at_ns=0, window_seconds=window.seconds)
    figures = {figure.name: figure for group in board.groups for figure in group.figures}
    balance, standbys = figures["load_balance"], figures["standby_share"]
    source = "pg_stat_database of a cluster's nodes"
    return (
        Measured("cluster_efficiency", "gain", None, window, "ledger", _NO_CLUSTER),
        Measured("load_balance_score", "share", balance.value, window, f"{balance.source}, {source}", balance.why),
        Measured(
            "cross_node_performance", "share", standbys.value, window, source, standbys.why,
            counted="" if standbys.value is None else "transactions that ran on standbys, of all of their clusters",
        ),
    )  # fmt: skip


def costs(window: Window, changes: Sequence[ChangeDetail], run_seconds: Sequence[float]) -> tuple[Measured, ...]:
    """Return what it cost by the ledger: building on the source and in the lab, disk, and the time of the runs."""
    applied = [change for each in changes for change in each.changes if change.seconds is not None]
    standing = [each for each in changes if any(change.stands for change in each.changes)]
    disk = [each.trial.size_bytes for each in standing if each.trial is not None]
    built = [each.trial.build_seconds for each in changes if each.trial is not None]

    def summed(name: str, unit: str, values: Sequence[float], source: str, counted: str, why: str) -> Measured:
        value = float(sum(values)) if values else None
        told = f"{len(values)} {counted}" if values else ""
        return Measured(name, unit, value, window, source, "" if values else why, counted=told)

    return (
        summed("build_seconds", "s", [change.seconds or 0.0 for change in applied],
               "ledger: statements on the source", "changes that were applied", "nothing was applied"),
        summed("disk_bytes", "B", disk, "ledger: sizes as measured in the lab", "strategies that stand",
               "no change with a trial stands"),
        summed("lab_build_seconds", "s", built, "ledger: trials in the lab", "trials", "no trial was made"),
        summed("run_seconds", "s", run_seconds, "ledger: from a run's first entry to its last", "runs that ended",
               "no run ended"),
    )  # fmt: skip


def _share(found: Measured, hits: int, trials: int, counted: str, why: str) -> Measured:
    if not trials:
        return replace(found, why=why)
    return replace(
        found,
        value=hits / trials,
        low=rate_lower_bound(hits, trials, _ENDS),
        high=rate_upper_bound(hits, trials, _ENDS),
        confidence=CONFIDENCE,
        counted=f"{hits} of {trials} {counted}",
    )


def _speedup(saved: float) -> float:
    return 1.0 / (1.0 - saved) - 1.0


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
