"""Arguments and options that several commands share."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trimtab.model.index_wishes import IndexWishes


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


def _allow_overprivileged(wanted: bool) -> bool:
    """Say for this process what the option says, as the variable does."""
    if wanted:
        from trimtab.db.role import ALLOWED

        os.environ[ALLOWED] = "1"
    return wanted


AllowOverprivileged = Annotated[
    bool,
    typer.Option(
        "--allow-overprivileged",
        callback=_allow_overprivileged,
        help="Go on with a role that may do more than this needs, such as a superuser.",
    ),
]
"""Of every command that opens a session of a source. The option acts by itself: no command has to pass it on."""
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**53 - 1, help="Fixes every random choice.")]

# What is wanted of indexes: `model.index_wishes` says what each may be, for trimtab.toml too.
MaxWidth = Annotated[int | None, typer.Option("--max-width", help="Keys that an index may have.", min=1)]
Kinds = Annotated[
    str | None,
    typer.Option("--kinds", help="Of btree,include,partial,expression,brin,gin,gist,hash; else all allowed."),
]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", help="How long to prove how good the set is; 0 for no proof.", min=0, callback=finite),
]
Solver = Annotated[
    str | None,
    typer.Option("--solver", help="exact; anneal or local are tried beside it, the better set is taken."),
]
MaxIndexes = Annotated[int | None, typer.Option("--max-indexes", help="New indexes that there may be in all.", min=0)]
MaxWriteOverhead = Annotated[
    str | None,
    typer.Option("--max-write-overhead", help="What they may add to the time of all writes, as in 10%."),
]
MaxRegression = Annotated[str | None, typer.Option("--max-regression", help="What any one query may lose, as in 5%.")]
MustKeep = Annotated[
    list[str] | None,
    typer.Option("--must-keep", help="An index that is never proposed for dropping; may be given again."),
]
MustNot = Annotated[
    list[str] | None,
    typer.Option("--must-not", help="TABLE or TABLE.COLUMN that no new index may touch; may be given again."),
]


def index_wishes(
    *,
    kinds: str | None,
    max_width: int | None,
    max_indexes: int | None,
    max_write_overhead: str | None,
    max_regression: str | None,
    must_keep: list[str] | None,
    must_not: list[str] | None,
    seconds: float | None,
    solver: str | None,
) -> IndexWishes:
    """Return what these options want; what is not given is left to trimtab.toml. Raises UsageError, ConfigError."""
    from trimtab.model.index_wishes import wishes_of

    return wishes_of(
        {
            "kinds": None if kinds is None else [kind.strip() for kind in kinds.split(",")],
            "max_width": max_width,
            "max_indexes": max_indexes,
            "max_write_overhead": max_write_overhead,
            "max_regression": max_regression,
            "must_keep": must_keep,
            "must_not": must_not,
            "seconds": seconds,
            "solver": solver,
        }
    )
