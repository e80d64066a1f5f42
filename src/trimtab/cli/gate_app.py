"""The commands of whoever answers for a source: they stop changes, and let them go on."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import (
    AllowOverprivileged,
    Config,
    Database,
    Dsn,
    Json,
    Quiet,
    Spec,
    Workload,
    finite,
)

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


@gate_app.command(
    epilog="Example: trimtab approvals s-3f9c2a10bd   (--json writes the request, to be approved elsewhere)"
)
def approvals(
    id: Annotated[str | None, typer.Argument(help="A strategy (s-...) or a request (q-...).")] = None,
    *,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the strategies that wait for people, or tell all of one."""
    from trimtab.cli import approving

    approving.approvals(id, config=config, as_json=json)


@gate_app.command(epilog="Example: trimtab approve s-3f9c2a10bd --hours 4   (asks for your passphrase, and signs)")
def approve(
    id: Annotated[str | None, typer.Argument(help="A strategy (s-...) or a request (q-...).")] = None,
    *,
    approver: Annotated[str | None, typer.Option("--as", help="Your name in the specification.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Your key; else the one of that name.")] = None,
    hours: Annotated[float, typer.Option("--hours", help="How long it holds, up to 24.", callback=finite)] = 24.0,
    request: Annotated[
        Path | None, typer.Option("--from", help="A request in a file, of `approvals ID --json`.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the approval to this file.")] = None,
    add: Annotated[Path | None, typer.Option("--add", help="Add an approval that was written to a file.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Sign that a strategy may be applied, with a key that only your passphrase unlocks."""
    from trimtab.cli import approving

    options = approving.ApproveOptions(id, approver, key, hours, request, out, add, config)
    approving.approve(options, as_json=json)


@gate_app.command(epilog='Example: trimtab reject s-3f9c2a10bd --reason "not before the sale"')
def reject(
    id: Annotated[str, typer.Argument(help="A strategy (s-...) or a request (q-...).")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """Reject a strategy that waits: approvals of it are void."""
    from trimtab.cli import approving

    approving.reject(id, reason=reason, config=config, as_json=json)


@gate_app.command(epilog="Example: trimtab apply s-3f9c2a10bd service=shop")
def apply(
    id: Annotated[str, typer.Argument(help="A strategy (s-...) or a request (q-...).")],
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Apply a strategy that waited, measure it on the source, and keep it or take it back."""
    from trimtab.cli import approving

    return approving.apply(
        id,
        dsn=dsn,
        database=database,
        workload=workload,
        spec=spec,
        config=config,
        as_json=json,
        is_quiet=quiet,
    )


@gate_app.command("approver-key", epilog="Example: trimtab approver-key ann")
def approver_key(
    name: Annotated[str, typer.Argument(help="The approver's name, as the specification will have it.")],
    *,
    path: Annotated[Path | None, typer.Option("--path", help="The file to write.")] = None,
    json: Json = False,
) -> None:
    """Make a person's key, locked with a passphrase; print the line that pins it in a specification."""
    from trimtab.cli import approving

    approving.approver_key(name, path=path, as_json=json)
