"""The options of the `trimtab security` commands. Each body gathers them and calls one function of `security`."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Database, Dsn, Json

security_app = typer.Typer(
    help="Sign what a server's security is, check that it is no weaker, and say what became of it.",
    epilog="Example: trimtab security baseline service=shop; every day: trimtab security check service=shop",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Keys = Annotated[
    list[Path] | None, typer.Option("--key", help="A public key that is believed too; may be given again.")
]


@security_app.command(epilog="Example: trimtab security baseline service=shop --out shop.security.json")
def baseline(
    dsn: Dsn = None,
    *,
    database: Database = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A copy of the signed document, to give away.")
    ] = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Read a server's security, sign it, and keep it as the baseline of its database. The server is only read."""
    from trimtab.cli import security

    security.baseline(dsn, database, out, config=config, as_json=json)


@security_app.command(epilog="Example: trimtab security check service=shop   (exit 9 when anything is weaker)")
def check(
    dsn: Dsn = None,
    *,
    database: Database = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="A signed document; else the baseline that is kept here.")
    ] = None,
    key: Keys = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Compare a server with its baseline: every difference, and what it does. What nobody can tell counts as weaker."""
    from trimtab.cli import security

    security.check(dsn, database, baseline, key or (), config=config, as_json=json)


@security_app.command(epilog="Example: trimtab security diff monday.security.json today.security.json --check")
def diff(
    before: Annotated[Path, typer.Argument(help="The signed document of the earlier baseline.")],
    after: Annotated[Path, typer.Argument(help="The signed document of the later one.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit with 9 when anything is weaker.")] = False,
    key: Keys = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Compare two signed baselines; no server is asked."""
    from trimtab.cli import security

    security.diff(before, after, key or (), fails=check, config=config, as_json=json)
