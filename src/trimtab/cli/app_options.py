"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer


def finite(value: float | None) -> float | None:
    """Refuse what is no number or no end, which the limits of an option may let through: a comparison with it fails."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


Dsn = Annotated[str | None, typer.Argument(help="libpq DSN (URI or key=value) or database name; else PG* decide.")]
Database = Annotated[str | None, typer.Option("--database", "-d", help="A database of trimtab.toml, or its name.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Config = Annotated[Path | None, typer.Option("--config", help="trimtab.toml to use.", envvar="TRIMTAB_CONFIG")]
Workload = Annotated[Path | None, typer.Option("--workload", help="A .sql file; else pg_stat_statements is read.")]
Objectives = Annotated[str | None, typer.Option("--objectives", help="speed, efficiency, or both with a comma.")]
Budget = Annotated[str | None, typer.Option("--budget", help="Disk for new indexes together, as in 2GB.")]
Spec = Annotated[str | None, typer.Option("--spec", help="A specification: file or id.")]
Lab = Annotated[str | None, typer.Option("--lab", help="Where trials run: clone, none, or the DSN of a test database.")]
Standby = Annotated[
    list[str] | None,
    typer.Option("--standby", help="A replica of the source, whose use of indexes counts too; may be given again."),
]
PgBin = Annotated[Path | None, typer.Option("--pg-bin", help="PostgreSQL programs for twin and clone.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**53 - 1, help="Fixes every random choice.")]
