"""What `trimtab anchor explain` and `trimtab anchor history` do: options into calls, results onto stdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stderr_console, stdout_console
from trimtab.cli.text import printable, share
from trimtab.cli.watch import ConsoleWatcher
from trimtab.errors import UsageError
from trimtab.model.evolution import EventKind
from trimtab.report.anchor_life import explained_document, history_document

if TYPE_CHECKING:
    from trimtab.lifecycle.evolving import Evolved
    from trimtab.lifecycle.explaining import ExplainedAnchor
    from trimtab.lifecycle.slowing import Slowing


@dataclass(frozen=True, slots=True)
class ExplainAsked:
    """The options of `trimtab anchor explain`, as given."""

    name: str
    dsn: str | None = None
    database: str | None = None
    workload: Path | None = None
    queries: tuple[str, ...] | None = None
    role: str = ""
    pg_bin: Path | None = None
    seed: int = 1
    config: Path | None = None


def explain(asked: ExplainAsked, *, as_json: bool, is_quiet: bool) -> None:
    """Explain the plans that changed, and print why."""
    from trimtab import api

    config = load(asked.config)
    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        found = api.explain_anchor(
            asked.name,
            source_of(asked.dsn, asked.database, config),
            workload=asked.workload,
            query_ids=asked.queries,
            role=asked.role,
            pg_bin=asked.pg_bin or config.defaults.pg_bin,
            seed=asked.seed,
            ledger_path=ledger_of(config),
            watcher=watcher,
        )
    if as_json:
        print_json(explained_document(found))
    else:
        _show(found)


def history(
    name: str, queries: tuple[str, ...] | None, svg: Path | None, *, config: Path | None, as_json: bool
) -> None:
    """Print how a database evolved, and draw one series of it."""
    from trimtab import api

    found = api.track_evolution(name, query_ids=queries, ledger_path=ledger_of(load(config)))
    if svg is not None:
        _draw(found, queries, svg)
    if as_json:
        print_json(history_document(found))
        return
    console = stdout_console()
    for evolved in found:
        series = evolved.evolution.series
        text = f"{printable(series.id)}  {series.dimension}  {len(evolved.evolution.kept)} points"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        for insight in evolved.insights:
            console.print(f"  {insight.sentence}", highlight=False, markup=False, soft_wrap=True)
        if evolved.stability is not None:
            text = f"  stability: {evolved.stability.sentence}"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        for recommendation in evolved.recommendations:
            text = f"  next: {recommendation.action.value.replace('_', ' ')} {recommendation.subject}: "
            console.print(text + recommendation.reason, highlight=False, markup=False, soft_wrap=True)
            if recommendation.strategy is not None:
                is_ours = recommendation.event is not None and recommendation.event.kind is EventKind.CHANGE_APPLIED
                revert = f"trimtab revert {printable(recommendation.subject)} takes it back"
                text = f"    {revert if is_ours else 'trimtab optimize --from-history tries what puts it back'}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)
    if not found:
        console.print("nothing to tell yet. next: trimtab anchor create DSN, from time to time")


def _draw(found: Sequence[Evolved], queries: Sequence[str] | None, path: Path) -> None:
    from trimtab.report.life_plot import life_plot

    wanted = [
        evolved
        for evolved in found
        if evolved.evolution.series.dimension == "response_latency"
        and (queries is None or evolved.evolution.series.id in queries)
    ]
    if not wanted:
        raise UsageError(
            f"{path} was not written: there is no series to draw",
            code="anchor.no_series",
            next_step="Take anchors in which the queries were counted or run.",
        )
    try:
        path.write_text(life_plot(wanted[0].evolution), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} was not written: {error.strerror}",
            code="anchor.plot_unwritable",
            next_step="Choose a file in a directory that you may write to.",
        ) from None


def _show(found: ExplainedAnchor) -> None:
    console = stdout_console()
    text = f"{found.same} plans are those of {found.anchor_id}, {len(found.changed)} are not"
    text += f", {found.unknown} could not be compared" if found.unknown else ""
    console.print(text, highlight=False, markup=False)
    if found.is_other_server:
        console.print("this is another server, or another database, than the anchor's: what differs may be that alone")
    if found.slowing is not None:
        _show_slowing(found.slowing)
    for plan in found.changed:
        head = f"{plan.query_id}  {share(plan.share)}"
        if plan.attribution is None:
            console.print(f"{head}  {printable(plan.note)}", highlight=False, markup=False, soft_wrap=True)
            continue
        kind = "not attributed" if plan.attribution.kind is None else plan.attribution.kind.value
        text = f"{head}  {kind}: {printable(plan.attribution.reason)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        for what, shape in (("was", plan.attribution.old), ("is", plan.attribution.new)):
            for number, line in enumerate(shape.lines):
                text = f"    {what if number == 0 else '':<4}{printable(line)}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)
    if found.missing:
        text = f"{len(found.missing)} queries of the anchor are not in the workload now"
        console.print(text, highlight=False)


def _show_slowing(found: Slowing) -> None:
    """Name what is slower, the host before the load, the load before growth, and growth before a change of plan."""
    console = stdout_console()
    text = f"{len(found.slowed)} of {found.judged} queries are slower than they were"
    text += f"; {found.unjudged} ran too seldom since to be judged" if found.unjudged else ""
    console.print(text, highlight=False, markup=False)
    for slowed in found.slowed:
        kind = "no cause found" if slowed.kind is None else slowed.kind.value
        text = f"{slowed.query_id}  {share(slowed.share)}  {slowed.ratio:.2f} times as long, at least"
        text += f" {slowed.at_least:.2f} (alpha {slowed.error_rate:.2g})  {kind}: {printable(slowed.reason)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        for line in slowed.proof:
            console.print(f"    {printable(line)}", highlight=False, markup=False, soft_wrap=True)
