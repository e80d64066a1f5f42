"""The options of the `trimtab twin` commands. Each body gathers them, calls one function of `twins`, and is done."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.app_options import AllowOverprivileged, Config, Database, Dsn, Json, PgBin, Quiet, Seed, finite

twin_app = typer.Typer(
    help="Ask what-if of a copy that holds schema and planner statistics, and no row.",
    epilog='Example: trimtab twin explain service=shop --workload current.sql --index "CREATE INDEX ON orders (city)"',
    no_args_is_help=True,
    rich_markup_mode=None,
)

HOUR = 3600.0
From = Annotated[Path | None, typer.Option("--from", help="A file that `twin export` wrote, instead of a server.")]
Kept = Annotated[str | None, typer.Option("--twin", help="A kept twin, instead of a server.")]
Workload = Annotated[Path | None, typer.Option("--workload", help="A .sql file; else pg_stat_statements is read.")]
AsRole = Annotated[
    str | None, typer.Option("--as-role", help="Plan as this role: its row-level security and settings.")
]
NoValues = Annotated[
    bool, typer.Option("--no-values", help="Leave out most-common values and histograms: plans are less exact.")
]
MaxSize = Annotated[str, typer.Option("--max-size", help="The most disk that the twin may take.")]
MaxSeconds = Annotated[
    float,
    typer.Option("--max-seconds", help="The most time for all of it; 0 for no limit.", min=0.0, callback=finite),
]


@twin_app.command(epilog="Example: trimtab twin export service=shop --out shop.twin")
def export(
    dsn: Dsn = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    database: Database = None,
    max_seconds: MaxSeconds = HOUR,
    no_values: NoValues = False,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write schema and statistics of a database into one small file. It holds values of rows: treat it as data."""
    from trimtab.cli import twins

    origin = twins.Asked(dsn=dsn, database=database, config=config, no_values=no_values, max_seconds=max_seconds)
    twins.export(origin, out, as_json=json, is_quiet=quiet)


@twin_app.command(epilog="Example: trimtab twin build service=shop --name shop --keep 3   (again: only what changed)")
def build(
    dsn: Dsn = None,
    *,
    name: Annotated[str, typer.Option("--name", "-n", help="The name to keep it under.")],
    database: Database = None,
    file: From = None,
    keep: Annotated[
        float, typer.Option("--keep", help="Days after which it goes.", min=0.01, max=3650, callback=finite)
    ] = 7.0,
    max_size: MaxSize = "2GB",
    max_seconds: MaxSeconds = HOUR,
    no_values: NoValues = False,
    pg_bin: PgBin = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Build a twin and keep it; where one of that name is kept, load only what changed since."""
    from trimtab.cli import twins

    origin = twins.Asked(
        dsn=dsn,
        database=database,
        file=file,
        config=config,
        no_values=no_values,
        pg_bin=pg_bin,
        max_size=max_size,
        max_seconds=max_seconds,
    )
    twins.build(origin, name, days=keep, as_json=json, is_quiet=quiet)


@twin_app.command(epilog="Example: trimtab twin check service=shop --workload current.sql --json")
def check(
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    file: From = None,
    twin: Kept = None,
    as_role: AsRole = None,
    max_size: MaxSize = "2GB",
    max_seconds: MaxSeconds = HOUR,
    no_values: NoValues = False,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare the twin's plans and costs with the server's own, query by query."""
    from trimtab.cli import twins

    origin = twins.Asked(
        dsn=dsn,
        database=database,
        file=file,
        kept=twin,
        config=config,
        no_values=no_values,
        pg_bin=pg_bin,
        as_role=as_role,
        max_size=max_size,
        max_seconds=max_seconds,
    )
    twins.check(origin, workload, seed=seed, as_json=json, is_quiet=quiet)


@twin_app.command(
    epilog='Example: trimtab twin explain --from shop.twin --workload current.sql --index "CREATE INDEX ON orders (id)"'
    " --drop orders_old_idx --set work_mem=64MB"
    ' or: trimtab twin explain service=shop --statistics "CREATE STATISTICS ON city, zip FROM orders"'
    " --target orders.city=1000"
)
def explain(
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    index: Annotated[list[str] | None, typer.Option("--index", help="A CREATE INDEX statement; may repeat.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="An index, or a statistics object, to think away; may repeat.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="A setting, name=value; may repeat.")] = None,
    statistics: Annotated[
        list[str] | None, typer.Option("--statistics", help="A CREATE STATISTICS statement; may repeat.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="A statistics target, table.column=number; may repeat."),
    ] = None,
    generic: Annotated[
        bool, typer.Option("--generic", help="Plan for any parameters, not for the given ones.")
    ] = False,
    engine: Annotated[str, typer.Option("--engine", help="twin; or hypopg on a server that has it.")] = "twin",
    file: From = None,
    twin: Kept = None,
    as_role: AsRole = None,
    max_size: MaxSize = "2GB",
    max_seconds: MaxSeconds = HOUR,
    no_values: NoValues = False,
    no_sample: Annotated[
        bool, typer.Option("--no-sample", help="Read no row of the server, not even a sample.")
    ] = False,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show what each query would cost with hypothetical indexes, statistics and settings, or without an index."""
    from trimtab.cli import twins

    origin = twins.Asked(
        dsn=dsn,
        database=database,
        file=file,
        kept=twin,
        config=config,
        no_values=no_values,
        no_sample=no_sample,
        pg_bin=pg_bin,
        as_role=as_role,
        max_size=max_size,
        max_seconds=max_seconds,
    )
    return twins.explain(
        origin,
        workload,
        index or (),
        drop or (),
        set or (),
        statistics or (),
        target or (),
        engine=engine,
        generic=generic,
        seed=seed,
        as_json=json,
        is_quiet=quiet,
    )


@twin_app.command("list", epilog="Example: trimtab twin list --json")
def list_twins(*, json: Json = False) -> None:
    """List the kept twins; those whose time is over are removed."""
    from trimtab.cli import twins

    twins.list_kept(as_json=json)


@twin_app.command(epilog="Example: trimtab twin drop shop")
def drop(
    names: Annotated[list[str] | None, typer.Argument(help="Names of kept twins.")] = None,
    *,
    all: Annotated[bool, typer.Option("--all", help="Drop all of them.")] = False,
    json: Json = False,
) -> None:
    """Remove kept twins."""
    from trimtab.cli import twins

    twins.drop(names or (), every=all, as_json=json)
