"""The commands below `backend`: who is at work on a server, and the end of one statement or session of theirs."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from typing import Annotated

import typer

from trimtab.cli.app_options import (
    AllowOverprivileged,
    Config,
    Database,
    Dsn,
    Json,
    Spec,
)

backend_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="See who is at work on a server; cancel a statement, or terminate a session, within the specification.",
)

Pid = Annotated[int, typer.Argument(help="Its process id, as `trimtab backend list` shows it.", min=1)]
Started = Annotated[
    str | None,
    typer.Option("--started", help="When it connected, as `list --json` has it: a later one of its number is refused."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.")]


@backend_app.command("list", epilog="Example: trimtab backend list service=shop   (--all: idle ones, and the server's)")
def list_backends(
    dsn: Dsn = None,
    *,
    database: Database = None,
    all: Annotated[bool, typer.Option("--all", help="Idle sessions and the server's own processes too.")] = False,
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the sessions that are at something, the longest first, and what may be done to each."""
    from trimtab.cli import backends

    backends.show(dsn, database=database, shows_all=all, spec=spec, config=config, as_json=json)


@backend_app.command(
    epilog="Example: trimtab backend cancel 4711 service=shop   (shows it, asks, and tells the ledger)"
)
def cancel(
    pid: Pid,
    dsn: Dsn = None,
    *,
    database: Database = None,
    started: Started = None,
    reason: Reason = "",
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Cancel the statement that a backend runs. It cannot be put back; its session goes on."""
    from trimtab.cli import backends

    asked = backends.Asked(pid, dsn, database, started, reason, spec, config)
    backends.end("cancel", asked, as_json=json)


@backend_app.command(epilog="Example: trimtab backend terminate 4711 service=shop --reason 'idle in transaction'")
def terminate(
    pid: Pid,
    dsn: Dsn = None,
    *,
    database: Database = None,
    started: Started = None,
    reason: Reason = "",
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Terminate a backend: its session ends, and what its transaction did is rolled back."""
    from trimtab.cli import backends

    asked = backends.Asked(pid, dsn, database, started, reason, spec, config)
    backends.end("terminate", asked, as_json=json)
