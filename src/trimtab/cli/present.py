"""Shows a Report to a person: the strategies, the workload before and after, the ledger, and where to look next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trimtab.cli.standing import standing
from trimtab.cli.text import duration, percent, printable
from trimtab.cli.watch import life_lines
from trimtab.model.report import Life, OnSource, Report
from trimtab.model.strategy import Outcome, QueryTrial
from trimtab.model.workload import Query

GAINED = 10
MESSAGES = 5


def present(report: Report, console: Console, *, was_told: bool = False, ledger_stays: bool = True) -> None:
    """Print the report. Strategies that were told live on the same terminal are not told again."""
    console.print()
    if not (was_told and console.is_terminal):
        _strategies(report, console)
    for life in report.lives_with(Outcome.REFUSED):
        _refusal(life, console)
    if report.queries:
        console.print(_levels(report))
        console.print(_movers(report))
    _skipped(report, console)
    _closing(report, console, ledger_stays=ledger_stays)


def _strategies(report: Report, console: Console) -> None:
    for outcome in Outcome:
        lives = report.lives_with(outcome)
        if lives:
            console.print(f"[bold]{outcome.value.replace('_', ' ')}: {len(lives)}[/]", highlight=False)
        for life in lives:
            console.print(life_lines(life), highlight=False)
            _warnings(life, console)


def _refusal(life: Life, console: Console) -> None:
    assert life.verdict is not None
    for violation in life.verdict.violations:
        text = f"{life.strategy.id} was refused by {violation.rule_id}: {violation.message}"
        console.print(f"[yellow]{escape(printable(text))}[/]", highlight=False)


def _warnings(life: Life, console: Console) -> None:
    for warning in life.verdict.warnings if life.verdict is not None else ():
        text = f"{life.strategy.id}: {warning.severity} by {warning.rule_id}: {warning.message}"
        console.print(f"[yellow]{escape(printable(text))}[/]", highlight=False)
    for waived in life.verdict.waived if life.verdict is not None else ():
        rule = waived.violation
        text = f"{life.strategy.id}: {rule.rule_id} is waived by {waived.waiver_id}: {rule.message}"
        console.print(f"[yellow]{escape(printable(text))}[/]", highlight=False)


def _levels(report: Report) -> Table:
    weights = {query.id: query.weight for query in report.workload.queries}
    title = "The workload, measured in the lab"
    if report.on_source in (OnSource.SOME, OnSource.NONE):
        title += f" with all that was proven there; on the source: {standing(report.on_source, report.outcomes)}"
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("")
    for name in ("total (weighted)", "p50", "p95", "p99"):
        table.add_column(name, justify="right")
    before = [(q.before_ms, weights[q.query_id]) for q in report.queries]
    after = [(q.after_ms, weights[q.query_id]) for q in report.queries]
    for name, values in (("before", before), ("after", after)):
        total = sum(ms * weight for ms, weight in values)
        points = [duration(weighted_quantile(values, share)) for share in (0.5, 0.95, 0.99)]
        table.add_row(name, duration(total), *points)
    if report.improvement is not None:
        table.add_row("change", f"[bold]{percent(report.improvement)}[/]", "", "", "")
    return table


def weighted_quantile(values: Sequence[tuple[float, float]], share: float) -> float:
    """Return the quantile of (value, weight) pairs: the least value with at least `share` of the weight at or below."""
    ordered = sorted(values)
    target = share * sum(weight for _, weight in ordered)
    reached = 0.0
    for value, weight in ordered:
        reached += weight
        if reached >= target:
            return value
    return ordered[-1][0] if ordered else 0.0


def _movers(report: Report) -> Table:
    names = {query.id: _label(query) for query in report.workload.queries}
    weights = {query.id: query.weight for query in report.workload.queries}

    def saved(query: QueryTrial) -> float:
        return weights[query.query_id] * (query.before_ms - query.after_ms)

    ordered = sorted(report.queries, key=saved, reverse=True)
    loser = min(report.queries, key=lambda q: 1 - q.after_ms / q.before_ms if q.before_ms > 0 else 0.0)
    table = Table(title="Queries that gained most, and the one that lost most", title_justify="left", pad_edge=False)
    table.add_column("query", overflow="ellipsis", no_wrap=True)
    table.add_column("weight", justify="right")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    table.add_column("change", justify="right")
    for query in [q for q in ordered if saved(q) > 0 and q is not loser][:GAINED]:
        table.add_row(*_mover_row(query, names, weights))
    table.add_section()
    table.add_row(*_mover_row(loser, names, weights), style="red" if loser.after_ms > loser.before_ms else "dim")
    return table


def _label(query: Query) -> str:
    """Return the query's name; where it has none but its id, the beginning of its normalised text."""
    return query.name if query.name != query.id else f"{query.id} {' '.join(query.normalized_text.split())}"


def _mover_row(query: QueryTrial, names: dict[str, str], weights: dict[str, float]) -> tuple[str, ...]:
    change = 1 - query.after_ms / query.before_ms if query.before_ms > 0 else 0.0
    limit = "≥ " if query.timed_out else ""
    return (
        escape(printable(names[query.query_id], limit=60)),
        f"{weights[query.query_id]:,.0f}",
        limit + duration(query.before_ms),
        duration(query.after_ms),
        percent(change),
    )


def _skipped(report: Report, console: Console) -> None:
    for skipped in report.workload.skipped[:10]:
        text = f"left out: {skipped.name} ({skipped.code}): {skipped.reason}"
        console.print(f"[dim]{escape(printable(text, limit=300))}[/]", highlight=False)
    if len(report.workload.skipped) > 10:
        console.print(f"[dim]… and {len(report.workload.skipped) - 10} more; --json lists them all[/]")


def _closing(report: Report, console: Console, *, ledger_stays: bool) -> None:
    for message in report.messages[:MESSAGES]:
        console.print(f"[yellow]{escape(printable(message, limit=300))}[/]", highlight=False)
    if len(report.messages) > MESSAGES:
        console.print(f"[yellow]… and {len(report.messages) - MESSAGES} more notes; --json lists them all[/]")
    share = report.fidelity.get("within_1_percent")
    if isinstance(share, float):
        console.print(f"twin: {100 * share:.0f} % of plan costs within 1 % of the source's", highlight=False)
    drawn = sum(query.is_synthetic for query in report.workload.queries)
    if drawn:
        text = f"{drawn} of {len(report.workload.queries)} queries ran with values drawn from the planner's statistics"
        console.print(text, highlight=False)
    ledger = report.ledger
    state = "[green]verified[/]" if ledger.verified else "[bold red]NOT VERIFIED[/]"
    console.print(f"ledger: {ledger.entries} entries, {state}, head {ledger.head[:16]}", highlight=False)
    if report.anchor is not None:
        console.print(f"anchor: {report.anchor.id}, {len(report.anchor.queries)} queries", highlight=False)
    kept, proven = len(report.lives_with(Outcome.KEPT)), len(report.lives_with(Outcome.PROVEN))
    if report.applied:
        hint = f". next: trimtab history, trimtab show {report.run_id}" if ledger_stays else ""
        failed = len(report.lives_with(Outcome.FAILED))
        trouble = f"; could not be applied: {failed}" if failed else ""
        console.print(f"kept: {kept} strategies{trouble}{hint}", highlight=False)
    elif proven:
        role = ", as a role that may (see the note above, and `trimtab init`)" if report.lacks_rights else ""
        hint = f"proven, not applied: {proven} strategies. next: the same command with --apply{role}"
        console.print(hint, highlight=False)
    else:
        console.print("nothing worth changing was proven; the source is as it was", highlight=False)
