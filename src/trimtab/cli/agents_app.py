"""The command that serves agents."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Json

agents_app = typer.Typer(rich_markup_mode=None)


@agents_app.command(
    epilog="Example: trimtab mcp --config trimtab.toml   (a client starts it and speaks over stdio;"
    " --http listens on loopback; --tools lists what agents are offered)"
)
def mcp(
    *,
    http: Annotated[bool, typer.Option("--http", help="Listen for streamable HTTP, in place of stdio.")] = False,
    host: Annotated[str, typer.Option("--host", help="Where to listen; beyond loopback with a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on.", min=0, max=65535)] = 8750,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Another name that it is reached by; may be given again.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="A file with the bearer token.")] = None,
    agent: Annotated[str, typer.Option("--agent", help="What the ledger calls the agent.")] = "mcp",
    allow_sql: Annotated[bool, typer.Option("--allow-sql", help="Offer a tool that runs one read.")] = False,
    tools: Annotated[bool, typer.Option("--tools", help="List the tools and their digest, and end.")] = False,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Serve agents by the Model Context Protocol: they look and propose, and apply nothing."""
    from trimtab.cli import agents

    asked = agents.Asked(
        http=http,
        host=host,
        port=port,
        names=tuple(name or ()),
        token_file=token_file,
        agent=agent,
        allow_sql=allow_sql,
        tools=tools,
        config=config,
    )
    agents.serve(asked, as_json=json)
