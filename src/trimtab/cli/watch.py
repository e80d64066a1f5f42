"""Tells a run's progress on stderr, live: a line per stage, a line per strategy that ended, a bar for what takes long.

Where stderr is no terminal it prints the lines without the bar.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from trimtab.cli.text import duration, percent, printable
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
        self._told: set[tuple[str, Outcome]] = set()

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
        """Print a strategy when it has come to an end, once."""
        key = (life.strategy.id, life.outcome)
        if self._is_quiet or key in self._told or (life.outcome is Outcome.UNTRIED and not life.note):
            return
        self._told.add(key)
        self._console.print(life_line(life), highlight=False, soft_wrap=True)


def life_line(life: Life) -> str:
    """Return one strategy as a line of rich markup: outcome, id, title, predicted interval, measured result, note."""
    parts = [f"{'':>8}  [{STYLES[life.outcome]}]{life.outcome.value.replace('_', ' '):<13}[/]"]
    parts.append(f"[dim]{life.strategy.id}[/] {escape(printable(life.strategy.title, limit=90))}")
    prediction, trial = life.prediction, life.trial
    if prediction is not None:
        interval = f"{duration(prediction.low)} to {duration(prediction.high)}"
        parts.append(
            f"[dim]predicted[/] {duration(prediction.before)} → {duration(prediction.mid)} [dim]({interval})[/]"
        )
    if trial is not None and trial.pairs:
        gain = percent(trial.improvement)
        parts.append(f"[dim]measured[/] {duration(trial.before_ms)} → {duration(trial.after_ms)} ({gain})")
    if life.note:
        parts.append(f"[dim]{escape(printable(life.note, limit=160))}[/]")
    return " · ".join(parts)
