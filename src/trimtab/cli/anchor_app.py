"""The options of the `trimtab anchor` commands. Each body gathers them and calls one function of `anchors`."""

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
    PgBin,
    Quiet,
    Seed,
    Spec,
    Workload,
    finite,
)

anchor_app = typer.Typer(
    help="Sign a performance level, verify it anywhere, compare two, and say which one is the normal.",
    epilog="Example: trimtab anchor create service=shop; weeks later: trimtab anchor create service=shop;"
    " trimtab anchor compare a-18ec latest",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="An anchor's id, its beginning, or latest.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is written to the ledger.")]
Keys = Annotated[
    list[Path] | None, typer.Option("--key", help="A public key that is believed too; may be given again.")
]


@anchor_app.command(
    epilog="Example: trimtab anchor create service=shop --seconds 300   (or --workload current.sql --runs 100)"
)
def create(
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    permanence: Annotated[
        str, typer.Option("--permanence", help="optimization_lifetime, performance_lifetime or cosmic.")
    ] = "performance_lifetime",
    runs: Annotated[int, typer.Option("--runs", help="Run each read so often; 0: run nothing.", min=0, max=10_000)] = 0,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", help="Count for so long; 0: all that pg_stat_statements has.", min=0, callback=finite
        ),
    ] = 0.0,
    log: Annotated[
        list[Path] | None,
        typer.Option("--log", help="A log file of the server, or their directory; may be given again."),
    ] = None,
    no_statistics: Annotated[
        bool, typer.Option("--no-statistics", help="Keep no planner statistics: they hold values of rows.")
    ] = False,
    spec: Spec = None,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Record the performance level of a database, signed and chained. It reads; it runs queries only with --runs."""
    from trimtab.cli import anchors

    asked = anchors.Asked(
        dsn=dsn,
        database=database,
        workload=workload,
        permanence=permanence,
        runs=runs,
        seconds=seconds,
        logs=tuple(log or ()),
        keeps_statistics=not no_statistics,
        spec=spec,
        pg_bin=pg_bin,
        seed=seed,
        config=config,
    )
    anchors.create(asked, as_json=json, is_quiet=quiet)


@anchor_app.command("list", epilog="Example: trimtab anchor list --json")
def list_anchors(*, config: Config = None, json: Json = False) -> None:
    """List the anchors of this machine, and which are in force."""
    from trimtab.cli import anchors

    anchors.list_all(config=config, as_json=json)


@anchor_app.command(epilog="Example: trimtab anchor show latest   (with --json: the whole record)")
def show(
    name: Name = "latest",
    *,
    service_level: Annotated[
        float | None, typer.Option("--service-level", metavar="MS", help="Tell how often executions took longer.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one anchor: its five dimensions, and its heaviest queries."""
    from trimtab.cli import anchors

    anchors.show(name, service_level, config=config, as_json=json)


@anchor_app.command(
    epilog="Example: trimtab anchor verify shop.anchor.json --key shop.pub   (without a file: all here)"
)
def verify(
    file: Annotated[Path | None, typer.Argument(help="An anchor's document; else the chain of this machine.")] = None,
    *,
    key: Keys = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say whether an anchor, or the whole chain, is as it was signed; else name the first thing that is wrong."""
    from trimtab.cli import anchors

    anchors.verify(file, key or (), config=config, as_json=json)


@anchor_app.command(epilog="Example: trimtab anchor compare a-18ec79e8 latest --check   (exit 9 when it got worse)")
def compare(
    earlier: Annotated[str, typer.Argument(help="An anchor's id, its beginning, latest, or a document's file.")],
    later: Annotated[str, typer.Argument(help="The same.")] = "latest",
    *,
    alpha: Annotated[
        float,
        typer.Option("--alpha", help="The chance that any query is called slower that is not.", min=1e-9, max=0.5),
    ] = 0.01,
    margin: Annotated[
        float, typer.Option("--margin", help="What counts as the same, as a share.", min=0.0, max=10.0)
    ] = 0.10,
    check: Annotated[bool, typer.Option("--check", help="Exit with 9 when a query is slower.")] = False,
    key: Keys = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Compare two anchors, of one server or of two: what got slower or faster, with a bounded error."""
    from trimtab.cli import anchors

    anchors.compare(
        earlier, later, alpha=alpha, margin=margin, fails=check, keys=key or (), config=config, as_json=json
    )


@anchor_app.command(epilog="Example: trimtab anchor explain a-18ec79e8 service=shop   (why plans are others now)")
def explain(
    name: Name,
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    query: Annotated[
        list[str] | None, typer.Option("--query", help="A query's id; may be given again. Else all that changed.")
    ] = None,
    role: Annotated[str, typer.Option("--role", help="Who runs the queries: with that role's settings.")] = "",
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which plans are not those of the anchor any more, and why, with the proof: planned on the twin, never run."""
    from trimtab.cli import anchor_life

    asked = anchor_life.ExplainAsked(
        name=name,
        dsn=dsn,
        database=database,
        workload=workload,
        queries=tuple(query) if query else None,
        role=role,
        pg_bin=pg_bin,
        seed=seed,
        config=config,
    )
    anchor_life.explain(asked, as_json=json, is_quiet=quiet)


@anchor_app.command(epilog="Example: trimtab anchor history --query q0a42922fab --svg life.svg")
def history(
    name: Name = "latest",
    *,
    query: Annotated[
        list[str] | None, typer.Option("--query", help="A query's id; may be given again. Else the heaviest.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Draw the query, or without --query the latency, into this file.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Tell how the database of an anchor evolved: levels, steps, drift, and what came before them."""
    from trimtab.cli import anchor_life

    anchor_life.history(name, tuple(query) if query else None, svg, config=config, as_json=json)


@anchor_app.command(epilog="Example: trimtab anchor lock a-18ec79e8 service=shop --query q0a42922fab --role app")
def lock(
    name: Name,
    dsn: Dsn = None,
    *,
    query: Annotated[str, typer.Option("--query", help="The id of the query whose plan is to be held.")],
    database: Database = None,
    workload: Workload = None,
    role: Annotated[str, typer.Option("--role", help="Who runs the query; else all of the database.")] = "",
    days: Annotated[
        float, typer.Option("--days", help="After which it must earn its place again.", min=0.001, max=3650)
    ] = 14.0,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Also when the plan was flipped twice within a day.")
    ] = False,
    spec: Spec = None,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring the plan that an anchor has back, and hold it: by what takes the cause away, as a lease, if allowed."""
    from trimtab.cli import anchor_locks

    asked = anchor_locks.LockAsked(
        name=name,
        dsn=dsn,
        query=query,
        database=database,
        workload=workload,
        role=role,
        days=days,
        confirm=confirm,
        spec=spec,
        pg_bin=pg_bin,
        seed=seed,
        config=config,
    )
    anchor_locks.lock(asked, as_json=json, is_quiet=quiet)


@anchor_app.command(epilog="Example: trimtab anchor locks service=shop   (what others undid there is seen)")
def locks(
    dsn: Dsn = None,
    *,
    database: Database = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the leases of this machine: which plan is held, by what, why, and until when."""
    from trimtab.cli import anchor_locks

    anchor_locks.list_all(dsn, database, config=config, as_json=json)


@anchor_app.command(epilog='Example: trimtab anchor unlock l-3f9c2a10bd service=shop --reason "no longer needed"')
def unlock(
    lease: Annotated[str, typer.Argument(help="A lease (l-...) of `trimtab anchor locks`.")],
    dsn: Dsn = None,
    *,
    reason: Reason,
    database: Database = None,
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Take a lock back."""
    from trimtab.cli import anchor_locks

    anchor_locks.unlock(lease, dsn, database, reason, spec=spec, config=config, as_json=json)


@anchor_app.command(epilog="Example: trimtab anchor review service=shop   (from cron, once a day)")
def review(
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    days: Annotated[float, typer.Option("--days", help="For how long a lock is renewed.", min=0.001, max=3650)] = 14.0,
    spec: Spec = None,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at every lock: verify it; one that has run out is tried without in the lab, and retired when not needed."""
    from trimtab.cli import anchor_locks

    asked = anchor_locks.ReviewAsked(
        dsn=dsn,
        database=database,
        workload=workload,
        days=days,
        spec=spec,
        pg_bin=pg_bin,
        seed=seed,
        config=config,
    )
    anchor_locks.review(asked, as_json=json, is_quiet=quiet)


@anchor_app.command(epilog='Example: trimtab anchor accept latest --reason "new hardware"')
def accept(name: Name, *, reason: Reason, config: Config = None, json: Json = False) -> None:
    """Say that an anchor is the new normal of its database."""
    from trimtab.cli import anchors

    anchors.accept(name, reason, config=config, as_json=json)


@anchor_app.command(epilog='Example: trimtab anchor release a-18ec79e8 --reason "the feature is gone"')
def release(name: Name, *, reason: Reason, config: Config = None, json: Json = False) -> None:
    """End that an anchor is in force. It stays in the chain; the statistics that it kept are removed."""
    from trimtab.cli import anchors

    anchors.release(name, reason, config=config, as_json=json)


@anchor_app.command(epilog="Example: trimtab anchor key --out shop.pub   (give it to those who verify)")
def key(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the public key of this machine, with which others verify its anchors."""
    from trimtab.cli import anchors

    anchors.export_key(out, config=config, as_json=json)
