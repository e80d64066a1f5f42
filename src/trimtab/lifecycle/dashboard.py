"""Puts the dashboard's six groups together: from servers' health, the ledger, the anchors and what watchers have seen.

Every figure names its source. What nobody measured has no value and says why; nothing here is estimated.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trimtab.anchor.stability import LOOKS, stability
from trimtab.history.values import Metric, ServerHealth
from trimtab.lifecycle.complied import Complied
from trimtab.lifecycle.kept_advice import SOURCE, KeptAdvice
from trimtab.lifecycle.ledger_figures import LedgerFigures
from trimtab.model.shares import saved_share

NO_LEDGER = "there is no ledger yet"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `unit` "ratio" is a share of one, "factor" how many times; `why` says why `value` is None."""

    name: str
    label: str
    unit: str
    value: float | None
    source: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that belong together."""

    name: str
    title: str
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The six groups, made at `at_ns` of servers' values over `window_seconds`."""

    at_ns: int
    window_seconds: float
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Watched:
    """What one watcher knows: whether it runs, its open alarms, its dimensions' levels and whether they are inside.

    Of so many `looks` at statements so many were `breaches` of their service levels.
    """

    database: str
    is_running: bool
    open_alarms: int
    levels: Mapping[str, float] = field(default_factory=dict[str, float])
    insides: Mapping[str, bool] = field(default_factory=dict[str, bool])
    looks: int = 0
    breaches: int = 0


def dashboard(
    servers: Sequence[ServerHealth],
    ledger: LedgerFigures | None,
    *,
    anchors: int | None,
    watched: Sequence[Watched],
    calls_of_a_day: float | None,
    at_ns: int,
    window_seconds: float,
    shows_compliance: bool = True,
    complied: Complied | None = None,
    advice: KeptAdvice | None = None,
    no_ledger: str = NO_LEDGER,
) -> Dashboard:
    """Return the six groups. `ledger` None is that there is none that can be read, and so is `complied`.

    `no_ledger` says why there is none, and `advice` is the newest one on indexes.
    """
    found = no_ledger if ledger is None else ledger
    groups = (
        Group(
            "status",
            "Status and compliance",
            [*_status(servers, found), *([_compliance(complied, no_ledger)] if shows_compliance else ())],
        ),
        Group("optimization", "Query optimisation", _optimization(found, calls_of_a_day, advice)),
        Group("anchors", "Performance anchors", _anchors(anchors, watched, found)),
        Group("resources", "Resources", _resources(servers)),
        Group("performance", "Query performance", _performance(servers)),
        Group("distribution", "Distribution", _distribution(servers)),
    )
    return Dashboard(at_ns, window_seconds, groups)


def _status(servers: Sequence[ServerHealth], ledger: LedgerFigures | str) -> list[Figure]:
    up = sum(server.state == "up" for server in servers)
    gains = () if isinstance(ledger, str) else ledger.gains
    why = ledger if isinstance(ledger, str) else "no change with a trial was kept yet"
    return [
        Figure("servers_up", f"Servers that answer, of {len(servers)}", "", float(up), "the collector"),
        _told(ledger, "databases_changed", "Databases with changes in place", "", lambda found: float(found.databases)),
        _told(ledger, "changes_standing", "Changes in place", "", lambda found: float(found.standing)),
        Figure("improvement", "Time saved by kept changes, average", "ratio", _mean(gains), "ledger: trials in the lab",
               "" if gains else why),
    ]  # fmt: skip


def _compliance(complied: Complied | None, no_ledger: str) -> Figure:
    """A second evaluation of what was applied, by the specification that governed it; not what was recorded then."""
    share = None if complied is None else complied.share
    return Figure(
        "compliance",
        "Applied changes that comply, judged again",
        "ratio",
        share,
        "ledger, judged again"
        if complied is None
        else f"ledger: the newest {complied.looked} judged again, for {complied.whole} the specification is at hand",
        "" if share is not None else no_ledger if complied is None else "nothing was applied yet",
    )


def _optimization(ledger: LedgerFigures | str, calls: float | None, advice: KeptAdvice | None) -> list[Figure]:
    return [
        Figure("queries_of_a_day", "Executions seen in 24 h", "", calls, "pg_stat_statements, history",
               "" if calls is not None else "there is no history of them: `trimtab collect` writes one"),
        _told(ledger, "success", "Applied strategies that were kept", "ratio",
              lambda found: found.kept / (found.kept + found.not_kept) if found.kept + found.not_kept else None,
              "no strategy was applied yet"),
        _told(ledger, "speed_up", "Speed-up of kept strategies, median", "factor",
              lambda found: statistics.median(1 / (1 - gain) for gain in found.gains if gain < 1)
              if found.gains else None, "no change with a trial was kept yet", "ledger: trials in the lab"),
        _told(ledger, "prediction_coverage", "Trials within their prediction", "ratio",
              lambda found: found.covered / found.predicted if found.predicted else None,
              "no trial had a prediction yet", "ledger: predictions and trials"),
        _advised(advice),
    ]  # fmt: skip


def _advised(advice: KeptAdvice | None) -> Figure:
    """What the newest advice on indexes promises, as it was computed then: nothing is computed for a look at it."""
    saved = saved_share(advice.cost_before, advice.cost_after) if advice is not None else None
    when = "" if advice is None else f"{datetime.fromtimestamp(advice.at_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
    return Figure(
        "index_advice",
        "Cost that the newest index advice saves",
        "ratio",
        saved,
        SOURCE if advice is None else f"trimtab indexes, {when}, {advice.database}: {SOURCE}",
        "" if saved is not None else "no advice was computed yet: `trimtab indexes` does",
    )


def _anchors(anchors: int | None, watched: Sequence[Watched], ledger: LedgerFigures | str) -> list[Figure]:
    running = [each for each in watched if each.is_running]
    nobody = "nobody watches: `trimtab watch` does"
    coherence = [each.levels["quantum_coherence"] for each in running if "quantum_coherence" in each.levels]
    latency = [each.insides["response_latency"] for each in running if "response_latency" in each.insides]
    learning = "still learning, or nothing ran" if running else nobody
    found = stability(sum(each.looks for each in watched), sum(each.breaches for each in watched), unit=LOOKS)
    return [
        Figure("anchors_in_force", "Anchors in force", "", None if anchors is None else float(anchors),
               "anchors and ledger",
               "" if anchors is not None else ledger if isinstance(ledger, str) else "there is no anchor"),
        Figure("open_alarms", "Open alarms", "", float(sum(each.open_alarms for each in running)) if running else None,
               "trimtab watch", "" if running else nobody),
        Figure("coherence", "Time whose plan and latency match", "ratio", _mean(coherence), "trimtab watch",
               "" if coherence else learning),
        Figure("consistency", "Databases within their latency", "ratio", _mean([float(each) for each in latency]),
               "trimtab watch", "" if latency else learning),
        Figure("sigma_level", "Stability: sigma level supported, 95 %", "",
               None if found is None else found.sigma_level, "trimtab watch: exact bound of breaches",
               "" if found is not None else learning),
    ]  # fmt: skip


def _resources(servers: Sequence[ServerHealth]) -> list[Figure]:
    return [
        _over(servers, "server_cpu_cores", "CPUs that servers keep busy", sum),
        _over(servers, "host_cpu_ratio", "CPU of their machines, highest", max, unit="ratio"),
        _over(servers, "host_memory_ratio", "Memory of their machines, highest", max, unit="ratio"),
        _over(servers, "read_bytes_per_second", "Read from files", sum),
        _over(servers, "write_bytes_per_second", "Written to files", sum),
        _over(servers, "wal_bytes_per_second", "Write-ahead log", sum),
    ]


def _performance(servers: Sequence[ServerHealth]) -> list[Figure]:
    up = [server for server in servers if server.state == "up"]
    calls, busy = _values(up, "calls_per_second"), _values(up, "busy_sessions")
    mean = sum(busy) * 1000 / sum(calls) if calls and sum(calls) > 0 else None
    return [
        Figure("mean_execution_ms", "Mean time of an execution", "ms", mean, "pg_stat_statements",
               "" if mean is not None else _why(up, "mean_execution_ms")),
        _over(servers, "calls_per_second", "Executions", sum),
        _over(servers, "transactions_per_second", "Transactions", sum),
        _over(servers, "sessions", "Sessions", sum),
        _over(servers, "active_sessions", "Sessions at work", sum),
        _over(servers, "blocked_sessions", "Sessions that wait for locks", sum),
        _over(servers, "cache_hit_ratio", "Cache hits, average", statistics.fmean, unit="ratio"),
    ]  # fmt: skip


def _distribution(servers: Sequence[ServerHealth]) -> list[Figure]:
    up = [server for server in servers if server.state == "up"]
    clusters: dict[str, list[ServerHealth]] = {}
    for server in up:
        if server.system_identifier:
            clusters.setdefault(server.system_identifier, []).append(server)
    shared = [nodes for nodes in clusters.values() if any(node.is_standby for node in nodes) and len(nodes) > 1]
    balance = [score for nodes in shared if (score := _fairness(nodes)) is not None]
    rates = [(node.is_standby, rate) for nodes in shared for node in nodes for rate in _values([node], _RATE)]
    total = sum(rate for _, rate in rates)
    cross = sum(rate for is_standby, rate in rates if is_standby) / total if total > 0 else None
    alone = "no primary is looked at together with a standby of its own" if not shared else "nothing ran there"
    return [
        Figure("nodes", f"Nodes ({sum(node.is_standby for node in up)} standbys)", "", float(len(up)), "the collector"),
        Figure("load_balance", "Load balance of clusters", "ratio", _mean(balance), "Jain's index of transactions/s",
               "" if balance else alone),
        Figure("standby_share", "Transactions on standbys", "ratio", cross, "pg_stat_database",
               "" if cross is not None else alone),
        _over(servers, "replication_lag_seconds", "Replication lag, average", statistics.fmean),
        _over(servers, "replication_lag_bytes", "Replication lag, largest", max),
    ]  # fmt: skip


_RATE = "transactions_per_second"


def _fairness(nodes: Sequence[ServerHealth]) -> float | None:
    """Return Jain's index (Jain, Chiu, Hawe 1984): 1 when all nodes do the same, 1/n when one does all."""
    rates = _values(nodes, _RATE)
    squares = sum(rate**2 for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if len(rates) > 1 and squares > 0 else None


def _over(
    servers: Sequence[ServerHealth],
    name: str,
    label: str,
    of: Callable[[list[float]], float],
    *,
    unit: str | None = None,
) -> Figure:
    """Return a metric over all servers that answer; those that do not have it are left out, which the label tells."""
    up = [server for server in servers if server.state == "up"]
    values = _values(up, name)
    metric = next((found for server in servers if (found := server.metrics.get(name)) is not None), None)
    source, own_unit = (metric.source, metric.unit) if metric is not None else ("", "")
    shown = own_unit if unit is None else unit
    if not values:
        return Figure(name, label, shown, None, source, _why(up, name))
    partial = f" ({len(values)} of {len(up)} servers)" if len(values) < len(up) else ""
    return Figure(name, label + partial, shown, float(of(values)), source)


def _values(servers: Sequence[ServerHealth], name: str) -> list[float]:
    found: list[Metric | None] = [server.metrics.get(name) for server in servers]
    return [metric.value for metric in found if metric is not None and metric.value is not None]


def _why(servers: Sequence[ServerHealth], name: str) -> str:
    reasons = [metric.why for server in servers if (metric := server.metrics.get(name)) is not None and metric.why]
    return reasons[0] if reasons else "no server answers"


def _told(
    ledger: LedgerFigures | str,
    name: str,
    label: str,
    unit: str,
    value: Callable[[LedgerFigures], float | None],
    why: str = "",
    source: str = "ledger",
) -> Figure:
    if isinstance(ledger, str):
        return Figure(name, label, unit, None, source, ledger)
    found = value(ledger)
    return Figure(name, label, unit, found, source, "" if found is not None else why)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
