"""The options of the `trimtab ledger` commands. Each body gathers them and calls one function of `ledgers`."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import Config, Json

ledger_app = typer.Typer(
    help="Verify the ledger, here or on another machine; prove an entry; export; sign a checkpoint.",
    epilog="Example: trimtab ledger key --out ledger.pub; trimtab ledger export --out ledger.jsonl;"
    " on another machine: trimtab ledger verify ledger.jsonl --key ledger.pub",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Keys = Annotated[
    list[Path] | None, typer.Option("--key", help="A public key that must have signed; may be given again.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The file to write; else stdout.")]


@ledger_app.command(
    epilog="Example: trimtab ledger verify ledger.jsonl --key ledger.pub --checkpoint kept.note   (no file: ours)"
)
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export, a proof or a statement; else the ledger of this machine.")
    ] = None,
    *,
    key: Keys = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option("--checkpoint", help="One that was kept elsewhere; may be given again.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Say whether a ledger, or a proof, is what was written and signed; else name the first thing that is wrong."""
    from trimtab.cli import ledgers

    return ledgers.verify(file, keys=key or (), pinned=checkpoint or (), config=config, as_json=json)


@ledger_app.command(
    epilog="Example: trimtab ledger prove 205 --out 205.proof.json   (then: trimtab ledger verify FILE)"
)
def prove(
    seq: Annotated[int | None, typer.Argument(help="The number of an entry.", min=1)] = None,
    *,
    since: Annotated[
        Path | None, typer.Option("--since", help="An earlier checkpoint: prove that the ledger only grew since.")
    ] = None,
    out: Out = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write a proof that an entry is in the ledger, or that it only grew; it is verified with the public key alone."""
    from trimtab.cli import ledgers

    ledgers.prove(seq, since=since, out=out, config=config, as_json=json)


@ledger_app.command(
    epilog="Example: trimtab ledger export --out ledger.jsonl   (--change s-3f9c2a10bd: one change, signed)"
)
def export(
    *,
    change: Annotated[
        str | None,
        typer.Option("--change", help="A strategy (s-...) or an intent's id: an in-toto statement, signed."),
    ] = None,
    out: Out = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the whole ledger as JSON lines, or what tells of one change as a signed in-toto statement."""
    from trimtab.cli import ledgers

    ledgers.export(change=change, out=out, config=config, as_json=json)


@ledger_app.command(
    epilog="Example: trimtab ledger checkpoint --out /mnt/elsewhere/shop.note   (keep it where nobody writes)"
)
def checkpoint(*, out: Out = None, config: Config = None, json: Json = False) -> None:
    """Sign the ledger as it is now, and write the checkpoint."""
    from trimtab.cli import ledgers

    ledgers.checkpoint(out=out, config=config, as_json=json)


@ledger_app.command(epilog="Example: trimtab ledger migrate --to service=fleet   (back: --to sqlite)")
def migrate(
    *,
    to: Annotated[str, typer.Option("--to", help="The DSN of a PostgreSQL database; or sqlite, the local file.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Move the ledger to another store: the same entries, hashes and checkpoints, verified before it is switched."""
    from trimtab.cli import ledgers

    ledgers.migrate(to, config=config, as_json=json)


@ledger_app.command(epilog="Example: trimtab ledger erase s-3f9c2a10bd   (once nothing of it stands)")
def erase(
    strategy: Annotated[str, typer.Argument(help="A strategy (s-...) of which nothing stands applied.")],
    *,
    config: Config = None,
    json: Json = False,
) -> None:
    """Erase the constants of partial and expression indexes of one strategy, kept beside the ledger; for good."""
    from trimtab.cli import ledgers

    ledgers.erase(strategy, config=config, as_json=json)


@ledger_app.command(epilog="Example: trimtab ledger key --out ledger.pub   (give it to those who verify)")
def key(
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write the public key to.")] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Put a new key in the place of the one in force.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make the key that signs checkpoints, where there is none, and write its public half."""
    from trimtab.cli import ledgers

    ledgers.key(out=out, rotates=rotate, config=config, as_json=json)
