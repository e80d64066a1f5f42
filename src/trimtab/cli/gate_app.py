"""The commands of whoever answers for a source: they stop changes, and let them go on."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from typing import Annotated

import typer

from trimtab.cli.app_options import Config, Json

gate_app = typer.Typer(rich_markup_mode=None)

Scope = Annotated[
    str | None,
    typer.Option("--database", "-d", help="Of this database alone: a name of trimtab.toml, or PostgreSQL's."),
]


@gate_app.command(epilog='Example: trimtab freeze --reason "incident 4711"   (trimtab thaw ends it)')
def freeze(
    *,
    database: Scope = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever is refused by it.")] = "",
    allow_reverts: Annotated[
        bool, typer.Option("--allow-reverts", help="What was applied may still be taken back.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Stop everything that writes to a source, from the next statement on; watching goes on."""
    from trimtab.cli import freezing

    return freezing.freeze(database, reason=reason, allow_reverts=allow_reverts, config=config, as_json=json)


@gate_app.command(epilog="Example: trimtab thaw --database shop   (trimtab status tells what is frozen)")
def thaw(
    *,
    database: Scope = None,
    all: Annotated[bool, typer.Option("--all", help="End every freeze.")] = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """End a freeze: that of everything, or of one database."""
    from trimtab.cli import freezing

    return freezing.thaw(database, all_of_them=all, config=config, as_json=json)
