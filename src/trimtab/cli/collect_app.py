"""The commands that write the history: `collect`, and `ingest` for logs."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Json, Quiet, finite

collect_app = typer.Typer()


@collect_app.command(
    epilog="Example: trimtab collect   (all databases of trimtab.toml; --databases shop,billing for some)"
)
def collect(
    *,
    databases: Annotated[str, typer.Option("--databases", help="Names of trimtab.toml with commas, or all.")] = "all",
    interval: Annotated[str, typer.Option("--interval", help="How often statements are read and written.")] = "10s",
    pulse: Annotated[str, typer.Option("--pulse", help="How often sessions and waits are looked at.")] = "1s",
    seconds: Annotated[
        float | None, typer.Option("--for", help="End after so many seconds.", min=0, callback=finite)
    ] = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Write the history of a fleet without an end: statements, waits, I/O, locks, replication, tables, settings."""
    from trimtab.cli import collecting

    asked = collecting.Asked(databases=databases, interval=interval, pulse=pulse, seconds=seconds, config=config)
    return collecting.collect(asked, as_json=json, is_quiet=quiet)


@collect_app.command(
    epilog="Example: trimtab ingest /var/log/postgresql --server shop   (again later: only what is new)"
)
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Log files, or directories of them; gzip is read too.")],
    *,
    server: Annotated[str, typer.Option("--server", help="Whose log it is: a name of trimtab.toml, or one of yours.")],
    format: Annotated[str | None, typer.Option("--format", help="jsonlog, csvlog or stderr; else it is seen.")] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="log_line_prefix, of plain logs.")] = "%m [%p] ",
    timezone: Annotated[str | None, typer.Option("--timezone", help="log_timezone, where it is not UTC.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="Executions in this database alone.")] = None,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take a server's log into the history: single executions, which cumulative counters cannot show."""
    from trimtab.cli import ingesting

    asked = ingesting.Asked(
        paths=tuple(paths), server=server, format=format, prefix=prefix, timezone=timezone, only=only, config=config
    )
    ingesting.ingest(asked, as_json=json, is_quiet=quiet)
