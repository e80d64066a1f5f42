"""The commands and their options. Each body gathers its options, calls one function of `commands`, and is done."""

# Without `from __future__ import annotations`: Typer would evaluate every annotation again, twice, at each start.
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trimtab.cli.agents_app import agents_app
from trimtab.cli.anchor_app import anchor_app
from trimtab.cli.app_options import (
    AllowOverprivileged,
    Budget,
    Config,
    Database,
    Dsn,
    Json,
    Kinds,
    Lab,
    MaxIndexes,
    MaxRegression,
    MaxWidth,
    MaxWriteOverhead,
    MustKeep,
    MustNot,
    Objectives,
    PgBin,
    Quiet,
    Seconds,
    Seed,
    Solver,
    Spec,
    Standby,
    Workload,
    finite,
    index_wishes,
)
from trimtab.cli.backend_app import backend_app
from trimtab.cli.collect_app import collect_app
from trimtab.cli.gate_app import gate_app
from trimtab.cli.ledger_app import ledger_app
from trimtab.cli.monitor_app import monitor_app
from trimtab.cli.report_app import report_app
from trimtab.cli.security_app import security_app
from trimtab.cli.spec_app import spec_app
from trimtab.cli.twin_app import twin_app
from trimtab.cli.web_app import web_app


class _Commands(TyperGroup):
    """Keeps an interrupt from Typer, which would make a silent exit of it."""

    def invoke(self, ctx: Any) -> Any:  # its type is private to Typer
        from trimtab.embedded.signals import Interrupted

        try:
            return super().invoke(ctx)
        except Interrupted as interrupted:
            raise SystemExit(interrupted.code) from interrupted


app = typer.Typer(
    name="trimtab",
    cls=_Commands,
    help="Find, prove, apply and hold the few changes that make a PostgreSQL workload faster.",
    epilog="Start with `trimtab demo`; then `trimtab optimize postgresql://host/db`, which changes nothing.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(twin_app, name="twin")
app.add_typer(anchor_app, name="anchor")
app.add_typer(backend_app, name="backend")
app.add_typer(gate_app)  # without a name: its commands are the program's own
app.add_typer(collect_app)  # without a name: its commands are the program's own
app.add_typer(agents_app)
app.add_typer(monitor_app)
app.add_typer(web_app)
app.add_typer(report_app)
app.add_typer(ledger_app, name="ledger")
app.add_typer(spec_app, name="spec")
app.add_typer(security_app, name="security")


def _version(wanted: bool) -> None:
    if wanted:
        from trimtab import __version__

        typer.echo(f"trimtab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: trimtab optimize service=shop --workload current.sql --budget 2GB   (add --apply to act)")
def optimize(
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    objectives: Objectives = None,
    budget: Budget = None,
    max_width: MaxWidth = None,
    kinds: Kinds = None,
    seconds: Seconds = None,
    solver: Solver = None,
    max_indexes: MaxIndexes = None,
    max_write_overhead: MaxWriteOverhead = None,
    max_regression: MaxRegression = None,
    must_keep: MustKeep = None,
    must_not: MustNot = None,
    spec: Spec = None,
    lab: Lab = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply what is proven and allowed to the source.")] = False,
    from_history: Annotated[bool, typer.Option("--from-history", help="Try what `anchor history` recommends.")] = False,
    propose: Annotated[bool, typer.Option("--propose", help="Leave what is proven waiting for approval.")] = False,
    standby: Standby = None,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Carry a workload through the lifecycle; without --apply nothing changes on the source."""
    from trimtab.cli import commands

    options = commands.OptimizeOptions(
        dsn=dsn,
        database=database,
        workload=workload,
        objectives=objectives,
        budget=budget,
        spec=spec,
        lab=lab,
        apply=apply,
        propose=propose,
        from_history=from_history,
        wishes=index_wishes(
            kinds=kinds,
            max_width=max_width,
            max_indexes=max_indexes,
            max_write_overhead=max_write_overhead,
            max_regression=max_regression,
            must_keep=must_keep,
            must_not=must_not,
            seconds=seconds,
            solver=solver,
        ),
        pg_bin=pg_bin,
        seed=seed,
        config=config,
        standbys=tuple(standby or ()),
    )
    return commands.optimize(options, as_json=json, is_quiet=quiet)


@app.command(
    epilog="Example: trimtab indexes service=shop --workload current.sql --budget 500MB --no-trial"
    "   (--explain ID tells more of one index)"
)
def indexes(
    dsn: Dsn = None,
    *,
    database: Database = None,
    workload: Workload = None,
    budget: Budget = None,
    max_width: MaxWidth = None,
    kinds: Kinds = None,
    trial: Annotated[bool, typer.Option("--trial/--no-trial", help="Build and measure them in the lab.")] = True,
    seconds: Seconds = None,
    solver: Solver = None,
    max_indexes: MaxIndexes = None,
    max_write_overhead: MaxWriteOverhead = None,
    max_regression: MaxRegression = None,
    must_keep: MustKeep = None,
    must_not: MustNot = None,
    explain: Annotated[str | None, typer.Option("--explain", help="Tell all of one index: its name or id.")] = None,
    objectives: Objectives = None,
    spec: Spec = None,
    lab: Lab = None,
    standby: Standby = None,
    pg_bin: PgBin = None,
    seed: Seed = 1,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose the best set of indexes for a workload, prove how good it is, and try it; nothing is applied."""
    from trimtab.cli import indexes

    options = indexes.IndexOptions(
        dsn=dsn,
        database=database,
        workload=workload,
        budget=budget,
        objectives=objectives,
        spec=spec,
        lab=lab,
        trial=trial,
        wishes=index_wishes(
            kinds=kinds,
            max_width=max_width,
            max_indexes=max_indexes,
            max_write_overhead=max_write_overhead,
            max_regression=max_regression,
            must_keep=must_keep,
            must_not=must_not,
            seconds=seconds,
            solver=solver,
        ),
        explain=explain,
        pg_bin=pg_bin,
        seed=seed,
        config=config,
        standbys=tuple(standby or ()),
    )
    indexes.advise(options, as_json=json, is_quiet=quiet)


@app.command(
    epilog="Example: trimtab watch service=shop   (in another terminal: trimtab watch --status; as a check in cron:"
    " trimtab watch service=shop --once)"
)
def watch(
    dsn: Dsn = None,
    *,
    database: Database = None,
    interval: Annotated[str, typer.Option("--interval", help="Between two rounds, as in 10s, 500ms or 1m.")] = "10s",
    once: Annotated[bool, typer.Option("--once", help="One round, judged against what earlier ones left.")] = False,
    seconds: Annotated[
        float | None, typer.Option("--for", help="End after so many seconds.", min=0, callback=finite)
    ] = None,
    learn: Annotated[int, typer.Option("--learn", help="So many rounds make the baseline (30 to 360).")] = 360,
    anew: Annotated[bool, typer.Option("--anew", help="Forget the baseline and learn it again.")] = False,
    act: Annotated[
        bool, typer.Option("--act", help="Take back a change of ours after which a statement became slower.")
    ] = False,
    spec: Spec = None,
    status: Annotated[bool, typer.Option("--status", help="Tell what watchers have seen; reads no server.")] = False,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Watch a database without an end: read its counters, judge them against the anchor or what was learnt, tell."""
    from trimtab.cli import watching

    asked = watching.Asked(
        dsn=dsn,
        database=database,
        interval=interval,
        learn=learn,
        seconds=seconds,
        once=once,
        anew=anew,
        act=act,
        spec=spec,
        config=config,
    )
    if status:
        return watching.status(asked, as_json=json)
    return watching.watch(asked, as_json=json, is_quiet=quiet)


@app.command(epilog="Example: trimtab demo --keep   (leaves the server up until Ctrl-C, to look around with psql)")
def demo(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**53 - 1, help="Another seed, another shop.")] = 42,
    scale: Annotated[
        float, typer.Option("--scale", help="1.0 is two million rows.", min=0.01, max=20.0, callback=finite)
    ] = 1.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's server running until Ctrl-C.")] = False,
    pg_bin: PgBin = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show the whole lifecycle on a generated shop database, on a server of its own."""
    from trimtab.cli import demonstration

    return demonstration.run(seed=seed, scale=scale, keep=keep, pg_bin=pg_bin, as_json=json, is_quiet=quiet)


@app.command(epilog="Example: trimtab init --database shop --dsn service=shop")
def init(
    *,
    database: Annotated[str, typer.Option("--database", "-d", help="The name to give the database.")] = "production_db",
    dsn: Annotated[str | None, typer.Option("--dsn", help="Its libpq DSN, without a password.")] = None,
    spec: Spec = None,
    path: Annotated[Path, typer.Option("--path", help="The file to write.")] = Path("trimtab.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
    hardening: Annotated[
        bool | None,
        typer.Option(
            "--hardening/--undo-hardening",
            help="Print the SQL that lets a server refuse more by itself, or what takes that back, and no more.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a commented trimtab.toml; print, and never run, the SQL for least-privilege roles."""
    from trimtab.cli import commands

    if hardening is not None:
        return commands.hardening(undo=not hardening, as_json=json)
    return commands.init(database=database, dsn=dsn, spec=spec, path=path, force=force, as_json=json)


@app.command(epilog="Example: trimtab status --json")
def status(*, config: Config = None, json: Json = False) -> int:
    """Say what stands applied, what is unfinished, and whether the ledger verifies."""
    from trimtab.cli import records

    return records.status(config=config, as_json=json)


@app.command(epilog="Example: trimtab history --limit 5")
def history(
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", help="The newest so many runs.", min=1)] = 20,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the runs, newest first."""
    from trimtab.cli import records

    records.history(limit=limit, config=config, as_json=json)


@app.command(epilog="Example: trimtab show s-3f9c2a10bd")
def show(
    id: Annotated[str, typer.Argument(help="A run (r-...) or a strategy (s-...).")],
    *,
    run: Annotated[
        str | None, typer.Option("--run", help="Of a strategy: the run (r-...) to show it in; else the newest.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Tell the life of a run, or of a strategy in a run, entry by entry."""
    from trimtab.cli import records

    records.show(id, run=run, config=config, as_json=json)


@app.command(epilog="Example: trimtab revert s-3f9c2a10bd service=shop")
def revert(
    id: Annotated[str | None, typer.Argument(help="The strategy (s-...) to take back.")] = None,
    dsn: Dsn = None,
    *,
    all: Annotated[bool, typer.Option("--all", help="Take back all that stands applied, newest first.")] = False,
    database: Database = None,
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Take back what Trimtab has applied, by the inverse stored in the ledger."""
    from trimtab.cli import commands

    commands.revert(id, dsn=dsn, take_all=all, database=database, spec=spec, config=config, as_json=json)


@app.command(epilog="Example: trimtab resume service=shop")
def resume(
    dsn: Dsn = None,
    *,
    database: Database = None,
    spec: Spec = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """After a crash: finish or undo what was interrupted, so that nothing stays half done."""
    from trimtab.cli import commands

    commands.resume(dsn=dsn, database=database, spec=spec, config=config, as_json=json)


@app.command("init_db_optimization", hidden=True)
def init_db_optimization(
    *,
    spec_id: Annotated[str, typer.Option("--spec_id")] = "DATABASE_OPTIMIZATION_SPEC_V4",
    quantum_enhanced: Annotated[str, typer.Option("--quantum_enhanced")] = "false",
    json: Json = False,
) -> None:
    """Run `init` under the original's name."""
    from trimtab.cli import commands

    commands.init_as_written(spec_id=spec_id, quantum_enhanced=quantum_enhanced, as_json=json)


@app.command("optimize_queries", hidden=True)
def optimize_queries(
    *,
    database: Database = None,
    workload: Workload = None,
    objectives: Objectives = None,
    budget: Budget = None,
    spec_id: Annotated[str | None, typer.Option("--spec_id", "--spec")] = None,
    lab: Lab = None,
    apply: Annotated[bool, typer.Option("--apply")] = False,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Run `optimize` under the original's name."""
    return optimize(
        database=database,
        workload=workload,
        objectives=objectives,
        budget=budget,
        spec=spec_id,
        lab=lab,
        apply=apply,
        config=config,
        json=json,
    )


@app.command("optimize_indexes", hidden=True)
def optimize_indexes(
    *,
    database: Database = None,
    analysis_period: Annotated[str, typer.Option("--analysis_period")] = "30d",
    adaptive: Annotated[str, typer.Option("--adaptive")] = "true",
    workload: Workload = None,
    budget: Budget = None,
    spec_id: Annotated[str | None, typer.Option("--spec_id", "--spec")] = None,
    lab: Lab = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run `indexes` under the original's name."""
    from trimtab.cli import indexes

    options = indexes.IndexOptions(
        database=database, workload=workload, budget=budget, spec=spec_id, lab=lab, config=config
    )
    indexes.advise_as_written(options, analysis_period=analysis_period, adaptive=adaptive, as_json=json)


@app.command("anchor_performance", hidden=True)
def anchor_performance(
    *,
    database: Database = None,
    anchor_permanence: Annotated[str, typer.Option("--anchor_permanence")] = "performance_lifetime",
    workload: Workload = None,
    spec_id: Annotated[str | None, typer.Option("--spec_id", "--spec")] = None,
    _allowed: AllowOverprivileged = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run `anchor create` under the original's name."""
    from trimtab.cli import anchors

    asked = anchors.Asked(
        database=database, workload=workload, permanence=anchor_permanence, spec=spec_id, config=config
    )
    anchors.create(asked, as_json=json, is_quiet=False)
