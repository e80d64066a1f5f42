"""The commands that write the history: `collect`, and `ingest` for logs."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from typing import Annotated

import typer

from trimtab.cli.app_options import Config, Json, Quiet, finite

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
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Write the history of a fleet without an end: statements, waits, I/O, locks, replication, tables, settings."""
    from trimtab.cli import collecting

    asked = collecting.Asked(databases=databases, interval=interval, pulse=pulse, seconds=seconds, config=config)
    return collecting.collect(asked, as_json=json, is_quiet=quiet)
