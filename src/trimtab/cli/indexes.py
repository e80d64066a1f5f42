"""What `trimtab indexes` does: options into one call of the library, its result onto stdout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from trimtab.cli.commands import (
    lab_of,
    ledger_of,
    load,
    objectives_of,
    print_json,
    source_of,
    standbys_of,
    stderr_console,
    stdout_console,
)
from trimtab.cli.text import percent, printable, size
from trimtab.cli.watch import ConsoleWatcher
from trimtab.errors import UsageError
from trimtab.model.index_wishes import NO_WISHES, IndexWishes
from trimtab.report.indexes import indexes_document

if TYPE_CHECKING:
    from rich.console import Console

    from trimtab.lifecycle.indexes import Advice, ChosenIndex

SHOWN = 40
SHOWN_BLOATED = 5
SHOWN_PROBLEMS = 5
_PERIOD = re.compile(r"[1-9][0-9]{0,3}[hdw]")
BAR = 40


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """The options of `trimtab indexes`, as given; None where trimtab.toml or the default decides."""

    dsn: str | None = None
    database: str | None = None
    workload: Path | None = None
    budget: str | None = None
    objectives: str | None = None
    spec: str | None = None
    lab: str | None = None
    trial: bool = True
    explain: str | None = None
    pg_bin: Path | None = None
    seed: int = 1
    config: Path | None = None
    wishes: IndexWishes = NO_WISHES
    period: str | None = None
    standbys: tuple[str, ...] = ()


def advise(options: IndexOptions, *, as_json: bool, is_quiet: bool) -> None:
    """Choose the best set of indexes and show it."""
    from trimtab import api
    from trimtab.config import parse_size

    config = load(options.config)
    defaults = config.defaults
    budget = options.budget or defaults.budget
    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        advice = api.advise_indexes(
            source_of(options.dsn, options.database, config),
            workload=options.workload,
            objectives=objectives_of(options.objectives, defaults.objectives or api.OBJECTIVES),
            budget_bytes=parse_size(budget) if budget else None,
            wishes=options.wishes.over(config.wishes_for(options.database)),
            spec=options.spec or defaults.spec,
            lab=lab_of(options.lab or defaults.lab or "clone", config) if options.trial else "none",
            pg_bin=options.pg_bin or defaults.pg_bin,
            seed=options.seed,
            standbys=standbys_of(options.standbys, options.database, config),
            ledger_path=ledger_of(config),
            watcher=watcher,
        )
    if options.period is not None:
        _tell_window(advice, options.period)
    explained = None if options.explain is None else _named(advice, options.explain)
    if as_json:
        print_json(indexes_document(advice))
        return
    if explained is not None:
        _explain(explained, advice, stdout_console())
        return
    _show(advice, stdout_console())


def advise_as_written(options: IndexOptions, *, analysis_period: str, adaptive: str, as_json: bool) -> None:
    """Run with the original's options; say which window the counts really cover."""
    if not _PERIOD.fullmatch(analysis_period):
        raise UsageError(
            f"--analysis_period={analysis_period} was refused: it is a number of hours, days or weeks",
            code="usage.analysis_period",
            next_step="Write it as in --analysis_period=30d, 12h or 2w.",
        )
    if adaptive.lower() not in ("true", "false"):
        raise UsageError(
            f"--adaptive={adaptive} was refused: it is true or false",
            code="usage.adaptive",
            next_step="Write --adaptive=true or --adaptive=false.",
        )
    wishes = replace(options.wishes, drops=adaptive.lower() == "true")
    advise(replace(options, period=analysis_period, wishes=wishes), as_json=as_json, is_quiet=False)


def _tell_window(advice: Advice, period: str) -> None:
    """The counts reach back to their reset, neither less far nor further."""
    if advice.workload.origin == "file":
        text = f"analysis_period: {period} has no meaning for a workload in a file: all of it counts"
    elif advice.workload.since is None:
        text = f"analysis_period: since when this server counts is not known; all of it stands for {period}"
    else:
        amount, unit = int(period[:-1]), period[-1]
        wanted = timedelta(hours=amount * {"h": 1, "d": 24, "w": 168}[unit])
        counted = datetime.now(UTC) - datetime.fromisoformat(advice.workload.since)
        how = "less than" if counted < wanted else "more than"
        text = f"analysis_period: executions since {advice.workload.since} count, {how} the {period} asked for"
    stderr_console().print(text, highlight=False, markup=False)


def _named(advice: Advice, name: str) -> Sequence[ChosenIndex]:
    found = [index for index in advice.indexes if name in (index.life.strategy.id, index.change.name)]
    if not found:
        raise UsageError(
            f"--explain {name!r} is refused: no chosen index has that name, and no strategy that id",
            code="usage.explain",
            next_step="Run without --explain to see the chosen indexes and their ids.",
        )
    return found


def _show(advice: Advice, console: Console) -> None:
    console.print()
    if advice.indexes:
        table = Table(title="Indexes, the best first", title_justify="left", pad_edge=False)
        for name, side in (("index", "left"), ("size", "right"), ("saves", "right"), ("writes", "right")):
            table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
        for name in ("queries", "outcome", "id"):
            table.add_column(name, overflow="fold")
        for index in advice.indexes[:SHOWN]:
            table.add_row(
                _cell(index.change.sql(concurrently=False).removeprefix("CREATE INDEX "), 200),
                size(index.size_bytes),
                _amount(index.worth.value, advice.unit),
                _amount(index.write_cost, advice.unit),
                str(len(index.worth.gains)),
                index.life.outcome.value.replace("_", " "),
                index.life.strategy.id,
            )
        console.print(table)
    else:
        console.print("no index is worth its price", highlight=False)
    for life in (*advice.drops, *advice.merges, *advice.rebuilds):
        text = f"{life.strategy.title} ({life.strategy.id}): {life.strategy.reason}; {life.outcome.value}"
        console.print(printable(text, limit=300), markup=False, highlight=False)
    for one in advice.bloated[:SHOWN_BLOATED]:
        text = f"bloated: {size(one.size_bytes)}, about {size(one.estimated_bytes)} when new: {one.sql()}"
        console.print(printable(text, limit=300), markup=False, highlight=False)
    _frontier(advice, console)
    _closing(advice, console)


def _frontier(advice: Advice, console: Console) -> None:
    if len(advice.frontier) < 2 or advice.cost_before <= 0:
        return
    table = Table(title="What storage buys", title_justify="left", pad_edge=False)
    for name in ("storage", "indexes", "cost"):
        table.add_column(name, justify="right")
    table.add_column("of the cost without")
    for point in advice.frontier:
        share = point.cost / advice.cost_before
        bar = "#" * round(BAR * share)
        cost = _amount(point.cost, advice.unit)
        table.add_row(size(point.size_bytes), str(len(point.names)), cost, f"{bar} {100 * share:.1f} %")
    console.print(table)


def _closing(advice: Advice, console: Console) -> None:
    saved = 1 - advice.cost_after / advice.cost_before if advice.cost_before > 0 else 0.0
    lines = [
        f"cost {_amount(advice.cost_before, advice.unit)} -> {_amount(advice.cost_after, advice.unit)}"
        f" ({percent(saved)}) with {size(advice.size_bytes)} of indexes",
    ]
    if advice.gap is not None:
        lines.append(
            f"proven: no set of the {len(advice.candidates):,} candidates does better by {100 * advice.gap:.2f} %"
        )
    if (overhead := advice.write_overhead) is not None:
        most = advice.limits.max_write_overhead
        allowed = "" if most is None else f", of {100 * most:g} % allowed"
        lines.append(f"writes cost {100 * overhead:.1f} % more, as expected{allowed}")
    lines += [
        f"solver {attempt.solver}: {_amount(attempt.objective, advice.unit)} by the planner,"
        f" {len(attempt.names)} indexes, {attempt.seconds:.1f} s"
        for attempt in advice.attempts
    ]
    health = advice.health
    lines.append(
        f"health of the indexes {health.score:.0f} of 100: {100 * health.missing:.0f} % of the cost could be saved; of"
        f" their bytes {100 * health.redundant:.0f} % redundant, {100 * health.unused:.0f} % unused,"
        f" {100 * health.bloat:.0f} % bloat"
    )
    for reason, count in _counted([lack.reason for lack in advice.lacking]):
        lines.append(f"{count} {'query' if count == 1 else 'queries'} without a new index: {reason}")
    lines.append(f"{advice.planner_calls:,} planner calls, {advice.seconds:.1f} s; nothing was changed on the source")
    if advice.workload.skipped:
        lines.append(f"left out: {len(advice.workload.skipped)} statements; --json says why")
    lines += [printable(f"problem: {text}", limit=300) for text in advice.problems[:SHOWN_PROBLEMS]]
    if len(advice.problems) > SHOWN_PROBLEMS:
        lines.append(f"… and {len(advice.problems) - SHOWN_PROBLEMS} more problems; --json lists them all")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _counted(reasons: Sequence[str]) -> list[tuple[str, int]]:
    return [(reason, reasons.count(reason)) for reason in dict.fromkeys(reasons)]


def _explain(indexes: Sequence[ChosenIndex], advice: Advice, console: Console) -> None:
    names = {query.id: query.name for query in advice.workload.queries}
    for index in indexes:
        worth, trial = index.worth, index.life.trial
        lines = [
            index.change.sql(),
            f"  kind       {', '.join(index.kinds)}; thought of by the rule {index.rule!r}",
            f"  size       {size(index.size_bytes)} estimated"
            + ("" if trial is None else f", {size(trial.size_bytes)} built in {trial.build_seconds:.2f} s"),
            f"  worth      {_amount(worth.value, advice.unit)}: what the workload costs more without it alone",
            f"  writes     {_amount(index.write_cost, advice.unit)} more, as expected",
            *(
                f"  query      {names[gain.query_id]}: {_amount(gain.before, advice.unit)}"
                f" -> {_amount(gain.after, advice.unit)}"
                for gain in worth.gains
            ),
            *(f"  instead    {advice.candidates[name].sql(concurrently=False)}" for name in worth.stand_ins),
            *(f"  replaces   {'.'.join(names)}, which is needless once it is there" for names in index.replaces),
            f"  its loss   {_amount(worth.loss, advice.unit)} worse in all without it, prices counted",
            f"  trial      {index.life.outcome.value.replace('_', ' ')}: {index.life.note or 'not tried'}",
        ]
        for line in lines:
            console.print(printable(line, limit=400), markup=False, highlight=False, soft_wrap=True)


def _amount(value: float, unit: str) -> str:
    from trimtab.cli.text import duration

    return duration(value) if unit == "ms" else f"{value:,.1f}"


def _cell(text: str, limit: int) -> str:
    return escape(printable(text, limit=limit))
