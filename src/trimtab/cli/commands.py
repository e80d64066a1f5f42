"""What the commands do: options and trimtab.toml into calls of the library, results onto stdout."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.passwords import conninfo_of
from trimtab.cli.text import printable
from trimtab.errors import TrimtabError, UsageError
from trimtab.model.index_wishes import NO_WISHES, IndexWishes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from trimtab.config import Config
    from trimtab.lifecycle.recover import Recovery


_WIDE = 160  # columns of a table where there is no terminal


@dataclass(frozen=True, slots=True)
class OptimizeOptions:
    """The options of `trimtab optimize`, as given; None where trimtab.toml or the default decides."""

    dsn: str | None = None
    database: str | None = None
    workload: Path | None = None
    objectives: str | None = None
    budget: str | None = None
    spec: str | None = None
    lab: str | None = None
    apply: bool = False
    pg_bin: Path | None = None
    seed: int = 1
    config: Path | None = None
    standbys: tuple[str, ...] = ()
    wishes: IndexWishes = NO_WISHES
    from_history: bool = False
    propose: bool = False


def optimize(options: OptimizeOptions, *, as_json: bool, is_quiet: bool) -> int:
    """Run the lifecycle and print its report. Return the exit code: what could not be applied has one."""
    from trimtab import api
    from trimtab.cli.present import present
    from trimtab.cli.standing import tell_unapplied
    from trimtab.cli.watch import ConsoleWatcher
    from trimtab.config import load_config, parse_size
    from trimtab.report.document import optimize_document

    config = load_config(options.config)
    defaults = config.defaults
    budget = options.budget or defaults.budget
    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        report = api.optimize(
            source_of(options.dsn, options.database, config),
            workload=options.workload,
            objectives=objectives_of(options.objectives, defaults.objectives or api.OBJECTIVES),
            budget_bytes=parse_size(budget) if budget else None,
            wishes=options.wishes.over(config.wishes_for(options.database)),
            spec=options.spec or defaults.spec,
            lab=lab_of(options.lab or defaults.lab or "clone", config),
            apply=options.apply,
            from_history=options.from_history,
            propose=options.propose,
            pg_bin=options.pg_bin or defaults.pg_bin,
            seed=options.seed,
            standbys=standbys_of(options.standbys, options.database, config),
            ledger_path=ledger_of(config),
            watcher=watcher,
        )
    if as_json:
        print_json(optimize_document(report))
    else:
        present(report, stdout_console(), was_told=not is_quiet)
    return tell_unapplied(report)


def revert(
    strategy_id: str | None,
    *,
    dsn: str | None,
    take_all: bool,
    database: str | None,
    spec: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Take back one strategy, or all."""
    from trimtab import api

    if take_all and dsn is None:
        strategy_id, dsn = None, strategy_id  # with --all the only argument is the database
    if (strategy_id is None) != take_all:
        raise UsageError(
            "revert was refused: name one strategy, or give --all",
            code="usage.revert",
            next_step="See `trimtab status` for what stands applied.",
        )
    if strategy_id is not None and not strategy_id.startswith("s-"):
        raise _not_a_strategy(strategy_id)
    loaded = load(config)
    source = source_of(dsn, database, loaded)
    with _what_was_done_told(as_json=as_json):
        recovery = api.revert(strategy_id, dsn=source, spec=spec or loaded.defaults.spec, ledger_path=ledger_of(loaded))
    _tell_recovery(recovery, "trimtab.revert/v1", "interrupted, unsettled or applied", as_json=as_json)


def _not_a_strategy(given: str) -> UsageError:
    """Return the refusal of what stands where the strategy belongs. A DSN is not repeated: it may hold a password."""
    from trimtab.db.dsn import redact

    is_dsn = "=" in given or "://" in given
    found = "a database was given, and no strategy" if is_dsn else f"{redact(given)!r} is not the id of a strategy"
    return UsageError(
        f"revert was refused: {found}; nothing was taken back",
        code="usage.revert",
        next_step="Name the strategy first, as in `trimtab revert s-3f9c2a10bd service=shop`, or take back all with "
        "`trimtab revert --all service=shop`; `trimtab status` lists what stands applied.",
    )


def resume(*, dsn: str | None, database: str | None, spec: str | None, config: Path | None, as_json: bool) -> None:
    """Finish or undo what was interrupted."""
    from trimtab import api

    loaded = load(config)
    source = source_of(dsn, database, loaded)
    with _what_was_done_told(as_json=as_json):
        recovery = api.resume(dsn=source, spec=spec or loaded.defaults.spec, ledger_path=ledger_of(loaded))
    _tell_recovery(recovery, "trimtab.resume/v1", "interrupted or unsettled", as_json=as_json)


def init(
    *,
    database: str,
    dsn: str | None,
    spec: str | None,
    path: Path,
    force: bool,
    as_json: bool,
    keeps_known: bool = False,
) -> None:
    """Write trimtab.toml and print the SQL for the roles. `keeps_known` leaves a file alone that names the database."""
    from trimtab.config import render_default_config
    from trimtab.db.dsn import conninfo_for

    conninfo_for(dsn, None)
    if keeps_known and path.exists() and database in load(path).databases:
        _tell_init(path, database, f"{path} was left as it is: it names {database} already.", as_json=as_json)
        return
    text = render_default_config(database=database, dsn=dsn, spec=spec)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} was not written: it is there already",
            code="init.exists",
            next_step="Use --force to replace it, or --path for another file.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} was not written: {error.strerror}",
            code="init.unwritable",
            next_step="Choose a directory that you may write to, with --path.",
        ) from None
    _tell_init(path, database, f"wrote {path}.", as_json=as_json)


def _tell_init(path: Path, database: str, what: str, *, as_json: bool) -> None:
    from trimtab.setup_sql import role_sql

    if as_json:
        print_json({"schema": "trimtab.init/v1", "path": str(path), "database": database, "role_sql": role_sql()})
        return
    print(role_sql())
    text = f"{what} The SQL above makes least-privilege roles; read it and run it yourself, as a superuser."
    stderr_console().print(text, highlight=False, markup=False)


def hardening(*, undo: bool, as_json: bool) -> None:
    """Print the SQL that lets a server refuse more by itself, or with `undo` what takes it back; write nothing."""
    from trimtab.setup_sql import hardening_sql, undo_hardening_sql

    if as_json:
        documents = {"hardening_sql": hardening_sql(), "undo_sql": undo_hardening_sql()}
        print_json({"schema": "trimtab.init.hardening/v1", **documents})
        return
    print(undo_hardening_sql() if undo else hardening_sql())


def init_as_written(*, spec_id: str, quantum_enhanced: str, as_json: bool) -> None:
    """Run `init` with the original's options. `quantum_enhanced` has no effect here, and what has is told."""
    from trimtab.spec.load import load_spec

    if quantum_enhanced.lower() not in ("true", "false"):
        raise UsageError(
            f"--quantum_enhanced={quantum_enhanced} was refused: it is true or false",
            code="usage.quantum_enhanced",
            next_step="Write --quantum_enhanced=true or --quantum_enhanced=false.",
        )
    load_spec(spec_id)
    if quantum_enhanced.lower() == "true":
        note = (
            "quantum_enhanced: nothing here depends on it; `trimtab indexes --solver anneal` tries annealing samplers"
        )
        stderr_console().print(note, highlight=False)
    init(
        database="production_db",
        dsn=None,
        spec=spec_id,
        path=Path("trimtab.toml"),
        force=False,
        as_json=as_json,
        keeps_known=True,
    )


def load(path: Path | None) -> Config:
    """Return the configuration: the file given, the one in the current directory, or the defaults."""
    from trimtab.config import load_config

    return load_config(path)


def source_of(dsn: str | None, database: str | None, config: Config) -> str | None:
    """Return the DSN or database name that the command means; None leaves it to libpq's environment."""
    if dsn is not None and database is not None:
        raise UsageError(
            "both a DSN and --database were given",
            code="usage.two_sources",
            next_step="Give one of them.",
        )
    if database is not None:
        entry = config.databases.get(database)
        return conninfo_of(entry) if entry is not None else database
    return dsn


def standbys_of(given: Sequence[str], database: str | None, config: Config) -> list[str]:
    """Return the DSNs of the source's replicas: those given, by DSN or a name of trimtab.toml, else those it names."""
    if given:
        return [lab_of(name, config) for name in given]
    entry = config.databases.get(database) if database is not None else None
    return list(entry.standbys) if entry is not None else []


def lab_of(lab: str, config: Config) -> str:
    """Return the lab: "clone", "none", a name of trimtab.toml as its DSN, or the DSN as given."""
    entry = config.databases.get(lab)
    return conninfo_of(entry) if entry is not None else lab


def objectives_of(given: str | None, otherwise: Sequence[str]) -> list[str]:
    """Return the objectives that were given with commas between them, each once; else the others."""
    names = otherwise if given is None else given.split(",")
    return list(dict.fromkeys(name.strip() for name in names))


def ledger_of(config: Config, *, is_written: bool = True) -> Path:
    """Return the path of the ledger; a server that trimtab.toml names for it is told there.

    Where nothing is written (`is_written` is False) a disk that can only be read will do. Raises ConfigError too.
    """
    from trimtab.paths import ledger_path

    path = ledger_path(config.defaults.state, is_written=is_written)
    if config.ledger_store is not None:
        from trimtab.db.dsn import conninfo_for
        from trimtab.ledger.place import use_server

        use_server(path, conninfo_for(config.ledger_store, None))
    return path


def print_json(document: dict[str, object]) -> None:
    """Print one JSON document on stdout, in ASCII: right in any encoding, and nothing in it moves a terminal."""
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def stderr_console() -> Console:
    """Return a console on stderr that honours NO_COLOR."""
    return _console(is_stderr=True)


def stdout_console() -> Console:
    """Return a console on stdout that honours NO_COLOR."""
    return _console(is_stderr=False)


def _console(*, is_stderr: bool) -> Console:
    """A file or a pipe has no width: there lines stay whole, so that they can be searched and copied."""
    from rich.console import Console

    console = Console(stderr=is_stderr)
    if console.is_terminal:
        return console
    return Console(stderr=is_stderr, soft_wrap=True, width=_WIDE if "COLUMNS" not in os.environ else None)


_LEFT_ALONE = {
    "replaced_by_others": "left alone, since somebody else has put something in its place",
    "nothing_to_undo": "nothing to undo, since a rebuilt index is the same index",
    "subject_gone": "not put back, since its table or a column of it is gone or has another name",
}


@contextmanager
def _what_was_done_told(*, as_json: bool) -> Iterator[None]:
    """Tell of a failure what was done before it and beside it: on stdout, or in the error's document."""
    from trimtab.lifecycle.recover import Recovery

    try:
        yield
    except TrimtabError as error:
        if isinstance(error.done, Recovery) and (error.done.reconciled or error.done.reverted):
            if as_json:
                error.done = _recovery_document(error.done)
            else:
                _show_recovery(error.done)
        raise


def _recovery_document(recovery: Recovery) -> dict[str, object]:
    reconciled = [{"kind": r.change.kind, "intent_id": r.intent_id, "stands": r.is_done} for r in recovery.reconciled]
    reverted = [
        {
            "strategy_id": applied.strategy_id,
            "kind": applied.change.kind,
            "sql": applied.inverse.sql(),
            "left_alone": recovery.left_alone.get(applied.intent_id),
        }
        for applied in recovery.reverted
    ]
    return {"reconciled": reconciled, "reverted": reverted, "notes": list(recovery.notes)}


def _tell_recovery(recovery: Recovery, schema: str, looked_for: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"schema": schema, **_recovery_document(recovery)})
    elif recovery.reconciled or recovery.reverted or recovery.notes:
        _show_recovery(recovery)
    else:
        stdout_console().print(f"nothing to do: no change is {looked_for}", highlight=False)


def _show_recovery(recovery: Recovery) -> None:
    console = stdout_console()
    for answered in recovery.reconciled:
        state = "stands" if answered.is_done else "was not made; nothing of it was left"
        console.print(f"interrupted {answered.change.kind}: {state}", highlight=False)
    for applied in recovery.reverted:
        left_alone = recovery.left_alone.get(applied.intent_id)
        told = "taken back" if left_alone is None else _LEFT_ALONE[left_alone.value]
        text = printable(f"{told}: {applied.strategy_id}  {applied.inverse.sql()}")
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    for note in recovery.notes:
        console.print(f"note: {printable(note)}", highlight=False, markup=False, soft_wrap=True)
