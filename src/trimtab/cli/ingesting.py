"""`trimtab ingest`: a server's log into the history, with progress, and what was left out by its reason."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from trimtab.cli.collecting import store_of
from trimtab.cli.commands import load, print_json, stdout_console
from trimtab.cli.text import printable, say, utc_time
from trimtab.errors import UsageError
from trimtab.model.execution import REASONS

SCHEMA = "trimtab.ingest/v1"
_EVERY = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab ingest`, as given."""

    paths: tuple[Path, ...]
    server: str
    format: str | None
    prefix: str
    timezone: str | None
    only: str | None
    config: Path | None


def ingest(asked: Asked, *, as_json: bool, is_quiet: bool) -> None:
    """Take what is new in the log."""
    from trimtab.lifecycle.ingesting import LogRequest
    from trimtab.lifecycle.ingesting import ingest as run
    from trimtab.observe.logs.reader import FORMATS
    from trimtab.observe.logs.source import LocalLogs

    if asked.format not in (None, *FORMATS):
        raise UsageError(
            f"--format {printable(str(asked.format))} was refused: it is one of {', '.join(FORMATS)}",
            code="ingest.format",
            next_step="Leave it out: the format is seen by how a file begins.",
        )
    request = LogRequest(
        server=asked.server,
        source=LocalLogs(asked.paths),
        log_line_prefix=asked.prefix,
        log_timezone=asked.timezone,
        log_format=asked.format,
        database=asked.only,
    )
    told = _Progress(is_quiet=is_quiet or as_json)
    began = time.monotonic()
    with store_of(load(asked.config)) as store:
        found = run(store, request, progress=told.kept)
    seconds = time.monotonic() - began
    if as_json:
        print_json(
            {
                "schema": SCHEMA,
                "server": asked.server,
                "entries": found.tally.entries,
                "executions": found.tally.executions,
                "queries": found.queries,
                "first_ns": found.first_ns,
                "last_ns": found.last_ns,
                "left_out": dict(found.tally.left_out),
                "seconds": round(seconds, 3),
            }
        )
        return
    console = stdout_console()
    text = f"{found.tally.executions:,} executions of {found.queries:,} queries, from {found.tally.entries:,} entries"
    if found.first_ns is not None and found.last_ns is not None:
        text += f", {utc_time(found.first_ns)} to {utc_time(found.last_ns)} UTC"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    for reason, count in found.tally.left_out.items():
        console.print(f"left out: {count:,} ({REASONS[reason]})", markup=False, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class _Progress:
    is_quiet: bool
    _next: int = _EVERY

    def kept(self, executions: int) -> None:
        """Tell it every hundred thousand, on a terminal."""
        if not self.is_quiet and executions >= self._next and sys.stderr.isatty():
            say(f"{executions:,} executions so far")
            self._next = executions + _EVERY
