"""What the `trimtab twin` commands do: options into calls of the library, results onto stdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from trimtab.cli.commands import load, print_json, source_of, stderr_console, stdout_console
from trimtab.cli.text import printable, size, tell
from trimtab.cli.time_limit import time_limit
from trimtab.cli.watch import ConsoleWatcher
from trimtab.errors import UsageError
from trimtab.model.catalog import version_text
from trimtab.report.twins import (
    checked_document,
    explained_document,
    exported_document,
    kept_document,
    list_document,
)

if TYPE_CHECKING:
    from rich.console import Console

    from trimtab.lifecycle.twin_check import Checked
    from trimtab.lifecycle.twin_explain import Explained
    from trimtab.lifecycle.twin_origin import Origin
    from trimtab.model.workload import Skipped

PROBLEMS = 5
WORST = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the twin is to come from, as the command line says it."""

    dsn: str | None = None
    database: str | None = None
    file: Path | None = None
    kept: str | None = None
    config: Path | None = None
    no_values: bool = False
    no_sample: bool = False
    pg_bin: Path | None = None
    as_role: str | None = None
    max_size: str = "2GB"
    max_seconds: float = 0.0

    def origin(self) -> Origin:
        """Return the origin. Raises UsageError `usage.two_twins` when a file and a kept twin are named."""
        from trimtab.config import parse_size
        from trimtab.lifecycle.twin_origin import Origin

        if self.file is not None and self.kept is not None:
            raise UsageError("both --from and --twin were given", code="usage.two_twins", next_step="Give one of them.")
        return Origin(
            conninfo=self.conninfo(),
            file=self.file,
            kept=self.kept,
            pg_bin=self.pg_bin or load(self.config).defaults.pg_bin,
            has_values=not self.no_values,
            may_sample=not self.no_sample,
            as_role=self.as_role,
            most_bytes=parse_size(self.max_size),
        )

    def conninfo(self) -> str:
        """Return libpq's connection string of the source."""
        from trimtab.db.dsn import conninfo_for

        return conninfo_for(source_of(self.dsn, self.database, load(self.config)), None)


def export(asked: Asked, out: Path, *, as_json: bool, is_quiet: bool) -> None:
    """Write the portable file."""
    from trimtab import api

    with time_limit(asked.max_seconds), ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        done = api.export_twin(asked.origin(), out, watcher)
    if as_json:
        print_json(exported_document(done))
        return
    console = stdout_console()
    text = f"wrote {done.path}: {size(done.size_bytes)}, {done.relations} relations of PostgreSQL "
    console.print(text + version_text(done.source_version), markup=False, highlight=False)
    if done.has_values:
        console.print("it holds values of rows (most-common values, histograms): treat it as data", highlight=False)
    _problems(done.problems, console)


def build(asked: Asked, name: str, *, days: float, as_json: bool, is_quiet: bool) -> None:
    """Build, or refresh, and keep."""
    from trimtab import api

    with time_limit(asked.max_seconds), ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        done = api.keep_twin(asked.origin(), name, watcher, days=days)
    if as_json:
        print_json(kept_document(done))
        return
    console = stdout_console()
    what = (
        f"refreshed {done.loaded} of {done.relations} relations"
        if done.was_refreshed
        else f"{done.relations} relations"
    )
    text = f"twin {name}: {what} in {done.build_seconds:.1f} s, {size(done.twin.size_bytes)}, "
    console.print(text + f"kept until {done.twin.expires_at[:16]} UTC", markup=False, highlight=False)
    _problems(done.twin.problems, console)


def check(asked: Asked, workload: Path | None, *, seed: int, as_json: bool, is_quiet: bool) -> None:
    """Tell how faithful the twin is."""
    from trimtab import api

    with time_limit(asked.max_seconds), ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        done = api.check_twin(asked.origin(), asked.conninfo(), workload, watcher, seed=seed)
    if as_json:
        print_json(checked_document(done))
    else:
        _show_check(done, stdout_console())


def explain(
    asked: Asked,
    workload: Path | None,
    indexes: Sequence[str],
    drops: Sequence[str],
    settings: Sequence[str],
    statistics: Sequence[str],
    targets: Sequence[str],
    *,
    engine: str,
    generic: bool,
    seed: int,
    as_json: bool,
    is_quiet: bool,
) -> int:
    """Tell what hypothetical changes would do; return the exit code."""
    from trimtab import api

    if not (indexes or drops or settings or statistics or targets):
        raise UsageError(
            "there is nothing to explain: no hypothetical change was given",
            code="usage.no_change",
            next_step='Add --index "CREATE INDEX ...", --drop NAME, --set name=value, '
            '--statistics "CREATE STATISTICS ..." or --target table.column=number.',
        )
    with time_limit(asked.max_seconds), ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        done = api.explain_twin(
            asked.origin(),
            workload,
            watcher,
            indexes=indexes,
            drops=drops,
            settings=settings,
            statistics=statistics,
            targets=targets,
            seed=seed,
            engine=engine,
            generic=generic or None,
        )
    if as_json:
        print_json(explained_document(done))
    else:
        _show_explained(done, stdout_console())
    return _tell_refusals(done)


def list_kept(*, as_json: bool) -> None:
    """List the kept twins."""
    from trimtab import api

    found = api.kept_twins()
    if as_json:
        print_json(list_document(found))
        return
    table = Table(pad_edge=False)
    for name in ("twin", "source", "source version", "twin version", "built (UTC)", "until (UTC)", "size", "values"):
        table.add_column(name, overflow="fold")
    for twin in found:
        versions = version_text(twin.source_version), version_text(twin.twin_version)
        times = twin.built_at[:16], twin.expires_at[:16]
        table.add_row(
            twin.name, _cell(twin.source), *versions, *times, size(twin.size_bytes), "yes" if twin.has_values else "no"
        )
    stdout_console().print(table if found else "no twin is kept. next: trimtab twin build DSN --name NAME")


def drop(names: Sequence[str], *, every: bool, as_json: bool) -> None:
    """Remove kept twins."""
    from trimtab import api

    if bool(names) == every:
        raise UsageError(
            "drop was refused: name the twins, or give --all",
            code="usage.drop",
            next_step="`trimtab twin list` tells which there are.",
        )
    done = api.drop_twins(names, every=every)
    if as_json:
        print_json({"schema": "trimtab.twin.drop/v1", "dropped": done})
    else:
        stdout_console().print(f"dropped: {', '.join(done) or 'none'}", markup=False, highlight=False)


def _show_check(done: Checked, console: Console) -> None:
    summary = done.fidelity.summary()
    names = {query.id: query.name for query in done.workload.queries}
    table = Table(title="Queries whose plan or cost differs", title_justify="left", pad_edge=False)
    for name in ("query", "cost on the source", "on the twin", "first difference", "why"):
        table.add_column(name, overflow="fold", justify="right" if "cost" in name or "twin" in name else "left")
    different = [q for q in done.fidelity.queries if not (q.same_shape and q.is_within_1_percent)]
    for found in different[:WORST]:
        costs = ("-" if cost is None else f"{cost:,.2f}" for cost in (found.source_cost, found.twin_cost))
        told = (_cell(text) for text in (found.first_difference, found.reason))
        table.add_row(_cell(names[found.query_id], 60), *costs, *told)
    if different:
        console.print(table)
    if len(different) > WORST:
        console.print(f"… and {len(different) - WORST} more; --json lists them all")
    if summary["queries"]:
        within, shape = (100 * float(summary[key] or 0.0) for key in ("within_1_percent", "same_shape"))
        text = f"{summary['queries']} queries: {within:.1f} % of costs within 1 %, {shape:.1f} % of shapes equal; "
    else:
        text = f"none of {len(done.fidelity.queries)} queries could be compared: the source plans none for this role; "
    text += f"twin {version_text(done.twin_version)} of a source {version_text(done.source_version)}, "
    console.print(text + f"ready in {done.build_seconds:.2f} s", highlight=False)
    _role(done.role, console)
    _skipped(done.workload.skipped, console)
    _problems(done.problems, console)


def _show_explained(done: Explained, console: Console) -> None:
    table = Table(pad_edge=False)
    for name in ("query", "cost before", "cost after", "change", "uses"):
        table.add_column(name, overflow="fold", justify="right" if "c" in name[:1] else "left")
    for found in done.queries:
        before, after = found.cost_before, found.cost_after
        if before is None or after is None:
            table.add_row(_cell(found.query.name, 60), "-", "-", "", _cell(found.failure))
            continue
        change = f"{100 * (after / before - 1):+.1f} %" if before else ""
        costs = f"{before:,.2f}", f"{after:,.2f}"
        table.add_row(_cell(found.query.name, 60), *costs, change, _cell(", ".join(found.uses)))
    console.print(table)
    for index in done.indexes:
        sql = index.written if index.change is None else index.change.sql(concurrently=False)
        told = "" if index.size_bytes is None else size(index.size_bytes) + (f" ({index.note})" if index.note else "")
        _told(sql, index.refusal, told, console)
    for s in done.statistics:
        _told(s.written if s.change is None else s.change.sql(), s.refusal, s.note, console)
    for t in done.targets:
        _told(t.written if t.target is None else t.target.sql(), t.refusal, t.note, console)
    for option, thoughts in (("--drop", done.drops), ("--set", done.settings)):
        for thought in thoughts:
            if thought.refusal:
                _told(f"{option} {thought.written}", thought.refusal, "", console)
    _role(done.role, console)
    _skipped(done.workload.skipped, console)
    _problems(done.problems, console)


def _told(sql: str, refusal: str, found: str, console: Console) -> None:
    text = printable(f"{sql}: " + (f"refused: {refusal}" if refusal else found))
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _tell_refusals(done: Explained) -> int:
    """Tell on stderr that something of what was asked could not be had; return the exit code of that, else 0."""
    refusals = done.refusals
    if not refusals:
        return 0
    error = UsageError(
        f"{len(refusals)} of the changes and queries could not be had, the rest is told; the first: "
        + printable(refusals[0], limit=300),
        code="twin.incomplete",
        next_step="Mend what is refused, or leave it out; --json has the reason of each.",
    )
    tell(error)
    return error.exit_code


def _role(role: str | None, console: Console) -> None:
    if role is not None:
        console.print(printable(f"planned as the role {role}", limit=200), markup=False, highlight=False)


def _cell(text: str, limit: int = 200) -> str:
    return escape(printable(text, limit=limit))


def _skipped(skipped: Sequence[Skipped], console: Console) -> None:
    for one in skipped[:PROBLEMS]:
        text = printable(f"left out: {one.name}: {one.reason}", limit=300)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if len(skipped) > PROBLEMS:
        console.print(f"… and {len(skipped) - PROBLEMS} more statements are left out; --json says why", highlight=False)


def _problems(problems: Sequence[str], console: Console) -> None:
    for problem in problems[:PROBLEMS]:
        console.print(printable(problem, limit=300), style="yellow", markup=False, highlight=False)
    if len(problems) > PROBLEMS:
        console.print(f"… and {len(problems) - PROBLEMS} more notes; --json lists them all", style="yellow")
