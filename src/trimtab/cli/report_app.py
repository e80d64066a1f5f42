"""The command `report`, and the one of the original's that is it."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import Config, Json

report_app = typer.Typer()


@report_app.command(epilog="Example: trimtab report shop --timeframe 30d --format pdf --out shop.pdf")
def report(
    database: Annotated[
        str | None, typer.Argument(help="A database of trimtab.toml or of the ledger; else all of this machine.")
    ] = None,
    *,
    timeframe: Annotated[str, typer.Option("--timeframe", help="How far back, as in 30d, 12h or 2w.")] = "30d",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="comprehensive (HTML with every row and picture), html (the first of each), pdf, md, json;"
            " yaml is the analytics alone.",
        ),
    ] = "comprehensive",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write; - is stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write what was found, done, gained, refused, reverted, and what it cost. It reads this machine's stores alone."""
    from trimtab.cli import reporting

    asked = reporting.Asked(database=database, timeframe=timeframe, form=format, out=out, replaces=force, config=config)
    reporting.report(asked, as_json=json)


@report_app.command("generate_optimization_report", hidden=True)
def generate_optimization_report(
    *,
    timeframe: Annotated[str, typer.Option("--timeframe")] = "30d",
    format: Annotated[str, typer.Option("--format")] = "comprehensive",
    config: Config = None,
    json: Json = False,
) -> None:
    """Run `report` under the original's name."""
    from trimtab.cli import reporting

    reporting.report(reporting.Asked(timeframe=timeframe, form=format, config=config), as_json=json)
