"""Tells a run's progress on stderr, live: a line per stage, a line per strategy that ended, a bar for what takes long.

Where stderr is no terminal it prints the lines without the bar.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from trimtab.cli.text import duration, percent, printable, size
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome

STYLES = {
    Outcome.KEPT: "bold green",
    Outcome.PROVEN: "green",
    Outcome.REFUSED: "yellow",
    Outcome.REJECTED: "red",
    Outcome.REVERTED: "bold red",
    Outcome.FAILED: "bold red",
    Outcome.NOT_PREDICTED: "dim",
    Outcome.UNTRIED: "dim",
}


class ConsoleWatcher:
    """A Watcher for people. Use as a context manager: the bar is removed at the end, whatever happens."""

    def __init__(self, console: Console, *, is_quiet: bool = False) -> None:
        self._console = console
        self._is_quiet = is_quiet
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=is_quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> ConsoleWatcher:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, name: str, note: str) -> None:
        """Print what a stage found; a beginning only moves the bar."""
        if not note:
            self._bar.update(self._task, description=name, total=None, completed=0, visible=True)
        elif not self._is_quiet:
            self._console.print(f"[bold cyan]{name:>8}[/]  {escape(printable(note))}", highlight=False)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, description=printable(what), total=total or None, completed=done, visible=True)

    def strategy(self, life: Life) -> None:
        """Print a strategy when it has come to an end; that a proven one is also kept is told by the stage's count."""
        if self._is_quiet or life.outcome is Outcome.KEPT or (life.outcome is Outcome.UNTRIED and not life.note):
            return
        if life.outcome is Outcome.PROVEN and life.applied:
            return
        self._console.print(life_lines(life), highlight=False)


# What was measured in the lab is no gain of the source where the source does not have the change.
_LAB_ONLY = {
    Outcome.FAILED: "not applied; in the lab",
    Outcome.REVERTED: "taken back; in the lab",
}


def life_lines(life: Life) -> str:
    """Return a strategy as two lines of rich markup: what it is and how it ended; what was predicted and measured."""
    trial = life.trial
    outcome = f"[{STYLES[life.outcome]}]{life.outcome.value.replace('_', ' '):<13}[/]"
    title = escape(printable(life.strategy.title, limit=150))
    head = f"{'':>8}  {outcome} {title} [dim]{life.strategy.id}[/]"
    parts = ["allowed"] if life.verdict is not None and life.verdict.compliant else []
    if life.prediction is not None:
        parts.append(_predicted(life))
    if trial is not None and trial.pairs:
        change = f"{duration(trial.before_ms)} → {duration(trial.after_ms)} ({percent(trial.improvement)})"
        where = _LAB_ONLY.get(life.outcome, "measured")
        parts.append(f"{where} {change}" + (f", {size(trial.size_bytes)}" if trial.size_bytes else ""))
    if life.note:
        parts.append(escape(printable(life.note, limit=200)))
    return f"{head}\n[dim]{'':>24}{'; '.join(parts)}[/]"


def _predicted(life: Life) -> str:
    prediction = life.prediction
    assert prediction is not None
    if prediction.method == "no_plan_change":
        return "predicted: no plan changes"
    if prediction.unit != "ms":
        return f"predicted cost {prediction.before:,.0f} → {prediction.low:,.0f} to {prediction.high:,.0f}"
    return f"predicted {duration(prediction.before)} → {duration(prediction.low)} to {duration(prediction.high)}"
