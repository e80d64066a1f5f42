"""The command `monitor`, and the two of the original's that are it."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Json, finite

monitor_app = typer.Typer()


@monitor_app.command(
    epilog="Example: trimtab monitor   (? shows the keys; --once --json for a script, --plain to read)"
)
def monitor(
    *,
    databases: Annotated[str, typer.Option("--databases", help="Names of trimtab.toml with commas, or all.")] = "all",
    refresh: Annotated[str, typer.Option("--refresh", help="How often to look, 200ms to 60s.")] = "1s",
    once: Annotated[bool, typer.Option("--once", help="Look for eleven seconds, tell, and end.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, again and again: for screen readers.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--for", help="With --plain or --json: end after so many seconds.", min=0, callback=finite),
    ] = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Show a fleet as it is now: servers, queries, sessions, waits, the lifecycle. By itself it changes nothing."""
    from trimtab.cli import monitoring

    asked = monitoring.Asked(
        databases=databases, refresh=refresh, is_once=once, is_plain=plain, seconds=seconds, config=config
    )
    return monitoring.monitor(asked, as_json=json)


@monitor_app.command("monitor_optimization", hidden=True)
def monitor_optimization(
    *,
    databases: Annotated[str, typer.Option("--databases")] = "all",
    realtime: Annotated[str, typer.Option("--realtime")] = "true",
    compliance: Annotated[str, typer.Option("--compliance")] = "enabled",
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Run `monitor` under the original's name."""
    from trimtab.cli import monitoring

    return monitoring.monitor_as_written(
        databases=databases, realtime=realtime, compliance=compliance, spec_id=None, config=config, as_json=json
    )


@monitor_app.command("monitor_db_optimization", hidden=True)
def monitor_db_optimization(
    *,
    spec_id: Annotated[str, typer.Option("--spec_id", "--spec")] = "DATABASE_OPTIMIZATION_SPEC_V4",
    realtime: Annotated[str, typer.Option("--realtime")] = "true",
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Run `monitor` under the original's other name."""
    from trimtab.cli import monitoring

    return monitoring.monitor_as_written(
        databases="all", realtime=realtime, compliance="enabled", spec_id=spec_id, config=config, as_json=json
    )
