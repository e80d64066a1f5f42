"""The page of `trimtab report`: the same values as the JSON document, in an order in which a person reads them.

It decides what stands where and how much of it, and measures nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from trimtab.model.strategy import Outcome
from trimtab.report.analytics import NOT_MEASURED, interval, quantity, shown
from trimtab.report.figures import duration, share, utc_time
from trimtab.report.life_plot import life_plot
from trimtab.report.page import Block, Grid, Page, Picture, Section, Text

if TYPE_CHECKING:
    from trimtab.history.values import Window
    from trimtab.lifecycle.change_detail import ChangeDetail, ToldTrial
    from trimtab.lifecycle.reported import Measured, OptimizationReport

MOST_ROWS = 50
MOST_PICTURES = 6
_TRIED = (Outcome.REJECTED, Outcome.NOT_PREDICTED, Outcome.UNTRIED, Outcome.FAILED)
_GROUPS = {
    "query_performance_improvements": "Query performance improvements",
    "resource_efficiency_gains": "Resource efficiency gains",
    "temporal_anchoring_metrics": "Temporal anchoring metrics",
    "distributed_optimization_results": "Distributed optimization results",
}
_WORDS = {
    "average_speedup": "Average speed-up of what was kept",
    "optimization_success_rate": "Applied strategies that were kept and stand",
    "neural_accuracy": "Trials within their predicted interval",
    "cpu_optimization": "CPU time saved per execution",
    "memory_efficiency": "Buffers saved per execution",
    "io_performance": "I/O saved per execution",
    "anchor_stability": "Stability of levels",
    "performance_consistency": "Looks within the service level",
    "temporal_coherence": "Time whose plan and latency match the level",
    "cluster_efficiency": "Cluster efficiency",
    "load_balance_score": "Load balance score",
    "cross_node_performance": "Transactions on standbys",
    "build_seconds": "Making changes on the source",
    "disk_bytes": "Disk that standing changes take",
    "lab_build_seconds": "Building in the lab",
    "run_seconds": "Trimtab's runs, from begin to end",
    "monitoring_load": "Load of Trimtab's and other monitoring's statements",
    "wal_bytes": "Write-ahead log while changes were made",
}


def report_page(report: OptimizationReport, *, is_whole: bool) -> Page:
    """Return the page; one that `is_whole` has every row and every picture."""
    paging = _Paging(None if is_whole else MOST_ROWS, None if is_whole else MOST_PICTURES)
    about = f"database {report.database}" if report.database else "all databases of this machine"
    return Page(
        "Trimtab optimization report",
        f"{about}; {_span(report.window)}; made at {utc_time(report.at_ns)} UTC",
        (
            Section("summary", "Summary", tuple(_summary(report))),
            Section("analytics", "Analytics", tuple(_analytics(report))),
            Section("gained", "Gained", tuple(_gained(report, paging))),
            Section("refused", "Refused by a rule", tuple(_refused(report, paging))),
            Section("tried", "Tried, and not taken", tuple(_tried(report, paging))),
            Section("reverted", "Taken back", tuple(_reverted(report, paging))),
            Section("recommendations", "Recommendations, by value", tuple(_advised(report, paging))),
            Section("costs", "What it cost", (_figures("Costs", report.costs),)),
            Section("compliance", "Compliance", tuple(_compliance(report, paging))),
            Section("security", "Security", tuple(_security(report))),
            Section("anchors", "Anchors and how levels evolved", tuple(_anchors(report, paging))),
            Section("servers", "Servers and queries", tuple(_servers(report, paging))),
            Section("sources", "Where this comes from", tuple(_sources(report))),
        ),
    )


class _Paging:
    """How much is shown of each table, and how many pictures; None is all."""

    def __init__(self, rows: int | None, pictures: int | None) -> None:
        self._rows = rows
        self.pictures = pictures

    def grid(
        self, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()
    ) -> Grid:
        """Return the table with as many rows as are shown."""
        kept = rows if self._rows is None else rows[: self._rows]
        return Grid(caption, columns, kept, frozenset(numbers), len(rows) - len(kept))


def _summary(report: OptimizationReport) -> Iterator[Block]:
    changes, looks = report.changes, report.looks
    ends = Counter(each.card.outcome for each in changes)
    applied = sum(any(change.intent_id is not None for change in each.changes) for each in changes)
    if not report.ledger_name:
        yield Text("There is no ledger here: nothing was proposed, tried or changed by Trimtab on this machine.")
    else:
        yield Text(
            f"Found: {_count(len(changes), 'strategy', 'strategies')} in {_count(len(report.runs), 'run', 'runs')}. "
            f"Begun on a source: {applied}. Kept: {ends[Outcome.KEPT]}. Taken back: {ends[Outcome.REVERTED]}. "
            f"Proven and not applied: {ends[Outcome.PROVEN]}. Refused by a rule: {ends[Outcome.REFUSED]}. "
            f"Tried, or left out, without a gain: {sum(ends[outcome] for outcome in _TRIED)}. "
            f"Not at an end yet: {ends[None]}."
        )
    speed = next(iter(report.analytics["query_performance_improvements"]))
    told = f", {interval(speed)}" if interval(speed) else ""
    yield Text(f"Average speed-up of what was kept, in the lab: {shown(speed)}{told}.")
    if looks:
        good = sum(look.is_compliant for look in looks)
        yield Text(f"Compliance, by a second evaluation: {good} of {_count(len(looks), 'change', 'changes')} applied.")
    else:
        yield Text("Compliance: nothing was applied in the window.")
    for note in report.notes:
        yield Text(f"Note: {note}")


def _analytics(report: OptimizationReport) -> Iterator[Block]:
    for group, figures in report.analytics.items():
        yield _figures(_GROUPS[group], figures)


def _figures(caption: str, figures: Sequence[Measured]) -> Grid:
    rows = [
        (
            _WORDS.get(figure.name, figure.name),
            shown(figure),
            interval(figure),
            figure.counted or figure.why,
            _span(figure.window),
            figure.source,
        )
        for figure in figures
    ]
    return Grid(
        caption, ("figure", "value", "interval", "of what, or why not", "window", "source"), rows, frozenset({1})
    )


def _gained(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    kept = [each for each in report.changes if each.card.outcome is Outcome.KEPT]
    if not kept:
        yield Text("No change was kept in the window.")
        return
    rows = [
        (
            each.card.strategy_id,
            each.card.title,
            _times(each.trial),
            _saved(each.trial),
            _saved_interval(each.trial),
            "" if each.trial is None else f"{each.trial.pairs} pairs",
            "; ".join(change.sql for change in each.changes),
            utc_time(each.card.last_ns),
        )
        for each in kept
    ]
    columns: tuple[str, ...]
    columns = ("strategy", "what", "in the lab", "time saved", "interval", "of", "statements", "last entry, UTC")
    yield paging.grid("Changes that were kept; times of paired trials in the lab", columns, rows, {2, 3, 4})
    if report.on_servers:
        seen = [
            (
                each.strategy_id,
                each.server,
                duration(each.before_ms),
                duration(each.after_ms),
                f"{each.before_calls:,.0f}",
                f"{each.after_calls:,.0f}",
                f"{_span(each.before)}; {_span(each.after)}",
            )
            for each in report.on_servers
        ]
        columns = ("strategy", "server", "mean before", "mean after", "executions before", "after", "windows")
        caption = "Their queries on the servers, by pg_stat_statements: whatever else changed counts too"
        yield paging.grid(caption, columns, seen, {2, 3, 4, 5})


def _refused(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    rows = [
        (each.card.strategy_id, each.card.title, rule.rule_id, rule.message, _specification(each))
        for each in report.changes
        if each.card.outcome is Outcome.REFUSED and each.verdict is not None
        for rule in each.verdict.rules
        if rule.effect == "blocked"
    ]
    if rows:
        columns = ("strategy", "what", "rule", "limit and finding", "specification")
        yield paging.grid("Strategies that a rule forbids", columns, rows)
    else:
        yield Text("No rule refused anything in the window.")


def _specification(change: ChangeDetail) -> str:
    return "" if change.verdict is None else f"{change.verdict.spec_id}, digest {change.verdict.spec_digest[:12]}"


def _tried(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    rows = [
        (
            each.card.strategy_id,
            each.card.title,
            "" if each.card.outcome is None else each.card.outcome.value.replace("_", " "),
            _times(each.trial),
            _saved(each.trial),
            _saved_interval(each.trial),
            each.card.note or ("" if each.trial is None else each.trial.reason),
        )
        for each in report.changes
        if each.card.outcome in _TRIED
    ]
    if rows:
        columns = ("strategy", "what", "end", "in the lab", "time saved", "interval", "why")
        yield paging.grid("Strategies that ended before a source was changed for good", columns, rows, {3, 4, 5})
    else:
        yield Text("Nothing was tried in vain in the window.")


def _reverted(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    rows = [
        (
            each.card.strategy_id,
            each.card.title,
            each.card.note or "taken back after it was kept",
            "; ".join(change.inverse_sql or "" for change in each.changes),
            utc_time(each.card.last_ns),
        )
        for each in report.changes
        if each.card.outcome is Outcome.REVERTED
    ]
    if rows:
        columns = ("strategy", "what", "why", "by", "last entry, UTC")
        yield paging.grid("Changes that were taken back", columns, rows)
    else:
        yield Text("Nothing was taken back in the window.")


def _advised(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    rows = [
        (
            each.kind.replace("_", " "),
            each.subject,
            NOT_MEASURED if each.saved_ms is None else duration(each.saved_ms),
            ""
            if each.low_ms is None or each.high_ms is None or each.confidence is None
            else f"{_signed(each.low_ms)} to {_signed(each.high_ms)} ({each.confidence:.0%})",
            each.reason,
            each.how,
        )
        for each in report.advised
    ]
    if rows:
        columns = ("do", "with", "saves in the lab", "interval", "why", "how")
        yield paging.grid("What to do next; ms of the workload, weighted by its executions", columns, rows, {2, 3})
    else:
        yield Text("There is nothing to recommend: nothing proven waits, and no level asks for a look.")


def _compliance(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    looks = report.looks
    if not looks:
        yield Text("Nothing was applied in the window, so that there is nothing to judge.")
        return
    good, whole = sum(look.is_compliant for look in looks), sum(look.is_whole for look in looks)
    yield Text(
        f"{good} of {len(looks)} applied changes are compliant ({share(good / len(looks))}), judged a second time from "
        f"the ledger alone: a verdict by the same specification before the intent, the change that was proposed, no "
        f"freeze. For {whole} of them the specification is at hand, so that its rules were judged anew as well: kinds, "
        f"schemas, tables, columns, methods, windows and rates. Sizes and counts of indexes need the catalog of then."
    )
    rows = [
        (look.strategy_id, utc_time(look.at_ns), departure.rule, departure.limit, departure.found, str(look.intent_seq))
        for look in looks
        for departure in look.departures
    ]
    if rows:
        columns = ("strategy", "at, UTC", "rule", "limit", "found", "entry")
        yield paging.grid("Applied changes that are not compliant", columns, rows, {5})


def _security(report: OptimizationReport) -> Iterator[Block]:
    seen = report.security
    taken = ", ".join(utc_time(at_ns) for at_ns in seen.taken_ns[-5:])
    baselines = f"{_count(len(seen.taken_ns), 'baseline was', 'baselines were')} taken in the window"
    yield Text(f"{baselines}{f' (UTC: {taken})' if taken else ''}.")
    if seen.looks:
        yield Text(
            f"Security was compared around changes {_count(seen.looks, 'time', 'times')}: "
            f"{_count(seen.differences, 'difference', 'differences')}, "
            f"of which {seen.undeclared} no change declares."
        )
    else:
        yield Text(f"Security around changes: {NOT_MEASURED} (nothing was applied in the window).")
    if seen.warnings:
        rows = [(code, str(count)) for code, count in seen.warnings.items()]
        yield Grid("Warnings", ("code", "times"), rows, frozenset({1}))


def _anchors(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    rows = [
        (
            each.anchor.id,
            utc_time(each.anchor.coordinate[0]),
            each.anchor.database,
            str(len(each.anchor.queries)),
            each.anchor.permanence.value.replace("_", " "),
            each.force.value.replace("_", " "),
            each.accepted_because,
        )
        for each in reversed(report.anchors)
    ]
    if not rows:
        yield Text("There is no anchor: `trimtab anchor create` records one.")
    else:
        columns = ("anchor", "taken, UTC", "database", "queries", "permanence", "stands", "accepted because")
        yield paging.grid("Anchors, the newest first, of any time", columns, rows, {3})
    for seen in report.watched:
        told = seen.stable.sentence if seen.stable is not None else "its level is still learnt"
        yield Text(f"Watched: {seen.database}, {_count(seen.open_alarms, 'open alarm', 'open alarms')}; {told}.")
    drawn = [life for life in report.lives if life.evolution.kept]
    sentences = [
        (life.evolution.series.id, life.evolution.series.dimension.replace("_", " "), insight.sentence)
        for life in drawn
        for insight in life.insights
    ]
    if sentences:
        yield paging.grid("How levels evolved", ("of", "dimension", "what is seen"), sentences)
    for life in drawn[: paging.pictures]:
        series = life.evolution.series
        yield Picture(life_plot(life.evolution), f"{series.id}, {series.dimension.replace('_', ' ')}")


def _servers(report: OptimizationReport, paging: _Paging) -> Iterator[Block]:
    if not report.servers:
        yield Text(f"Servers: {NOT_MEASURED} ({'no history was written: `trimtab collect` does'}).")
        return
    names = ("transactions_per_second", "mean_execution_ms", "active_sessions", "cache_hit_ratio", "server_cpu_cores")
    rows = [
        (
            server.name,
            server.state,
            f"{server.window.measured_seconds:,.0f} s",
            *(_metric(server.metrics[name].value, server.metrics[name].unit) for name in names),
        )
        for server in report.servers
    ]
    columns = ("server", "now", "measured", "transactions/s", "mean of an execution", "at work", "cache hits", "CPUs")
    yield paging.grid(f"Servers, {_span(report.window)}", columns, rows, range(2, 8))
    for page in report.queries:
        listed = [
            (
                query.query_id,
                query.text,
                share(query.share),
                f"{query.calls:,.0f}",
                NOT_MEASURED if query.mean_ms is None else duration(query.mean_ms),
            )
            for query in page.queries
        ]
        if listed:
            caption = f"{page.server}: {len(listed)} of {page.total} queries, by time ({page.source})"
            yield paging.grid(caption, ("query", "text", "share of time", "executions", "mean"), listed, {2, 3, 4})


def _sources(report: OptimizationReport) -> Iterator[Block]:
    if report.ledger_name:
        head = f", the last with the hash {report.ledger_head}" if report.ledger_head else ""
        yield Text(f"Ledger {report.ledger_name}: {report.ledger_entries:,} entries, found whole{head}.")
    yield Text(
        f"History: {report.history_name}." if report.history_name else f"History: {NOT_MEASURED} (there is none here)."
    )
    yield Text(
        "Times and gains of changes are of paired trials in the lab unless a table says otherwise; intervals hold "
        "although a trial stops when it knows enough. What has no interval was counted, or has none that was measured."
    )


def _times(trial: ToldTrial | None) -> str:
    if trial is None or not trial.pairs:
        return NOT_MEASURED
    return f"{duration(trial.before_ms)} to {duration(trial.after_ms)}"


def _saved(trial: ToldTrial | None) -> str:
    if trial is None or trial.improvement is None:
        return NOT_MEASURED
    return quantity(trial.improvement, "gain")


def _saved_interval(trial: ToldTrial | None) -> str:
    found = None if trial is None else trial.interval
    if found is None or (found.low is None and found.high is None):
        return ""
    low = "?" if found.low is None else quantity(found.low, "gain")
    high = "?" if found.high is None else quantity(found.high, "gain")
    return f"{low} to {high} ({found.confidence:.0%})"


def _signed(ms: float) -> str:
    return f"-{duration(-ms)}" if ms < 0 else duration(ms)


def _metric(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_MEASURED
    return quantity(value, "ms" if unit == "ms" else "")


def _span(window: Window) -> str:
    if window.begin_ns >= window.end_ns:
        return f"{utc_time(window.end_ns)} UTC"
    return f"{utc_time(window.begin_ns)} to {utc_time(window.end_ns)} UTC"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
