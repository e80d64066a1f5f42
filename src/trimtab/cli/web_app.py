"""The commands of the web face: `serve`, and `serve-user` for who may log in beyond this machine."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Json, Spec

web_app = typer.Typer()


@web_app.command(epilog="Example: trimtab serve   (then open http://127.0.0.1:8321/)")
def serve(
    *,
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for any that is free.")] = 8321,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name that browsers reach it by, beyond this machine; may be given again."),
    ] = None,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help="A proxy before it speaks TLS with the browsers.")
    ] = False,
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Serve pages, a JSON API and metrics of what the ledger and the history hold, by default on this machine alone."""
    from trimtab.cli import serving

    asked = serving.ServeOptions(
        host=host, port=port, names=tuple(name or ()), is_behind_tls=behind_tls, spec=spec, config=config
    )
    return serving.serve(asked, as_json=json)


@web_app.command("serve-user", epilog="Example: trimtab serve-user ann --role approver")
def serve_user(
    user: Annotated[str | None, typer.Argument(help="The user's name.")] = None,
    *,
    role: Annotated[str, typer.Option("--role", help="viewer, approver or operator.")] = "viewer",
    remove: Annotated[bool, typer.Option("--remove", help="Take the user out.")] = False,
    list: Annotated[bool, typer.Option("--list", help="List the users.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make, change, remove or list who may log in to `trimtab serve` from beyond this machine."""
    from trimtab.cli import serving

    serving.user(user, role=role, removes=remove, lists=list, config=config, as_json=json)
