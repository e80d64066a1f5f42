"""What `trimtab anchor lock`, `locks`, `unlock` and `review` do: options into calls, results onto stdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stderr_console, stdout_console
from trimtab.cli.text import printable, utc_time
from trimtab.cli.watch import ConsoleWatcher
from trimtab.errors import ApplyError, RefusedError
from trimtab.report.anchor_locks import held_document, locks_document

if TYPE_CHECKING:
    from trimtab.anchor.lease import Lease
    from trimtab.config import Config
    from trimtab.lifecycle.holding import Held


@dataclass(frozen=True, slots=True)
class LockAsked:
    """The options of `trimtab anchor lock`, as given."""

    name: str
    query: str
    dsn: str | None = None
    database: str | None = None
    workload: Path | None = None
    role: str = ""
    days: float = 14.0
    confirm: bool = False
    spec: str | None = None
    pg_bin: Path | None = None
    seed: int = 1
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class ReviewAsked:
    """The options of `trimtab anchor review`, as given."""

    dsn: str | None = None
    database: str | None = None
    workload: Path | None = None
    days: float = 14.0
    spec: str | None = None
    pg_bin: Path | None = None
    seed: int = 1
    config: Path | None = None


def lock(asked: LockAsked, *, as_json: bool, is_quiet: bool) -> None:
    """Lock a plan, and print by what; that nothing brought it back is an error, after all was taken back."""
    from trimtab.lifecycle.holding import Held

    config = load(asked.config)
    try:
        held = _locked(asked, config, is_quiet=is_quiet)
    except RefusedError as refused:
        if isinstance(refused.done, Held):  # the cause was found, and what was tried is told before the refusal
            _print(refused.done, as_json=as_json)
        raise
    _print(held, as_json=as_json)
    if held.lease is None:
        raise ApplyError(
            f"the plan of {held.query_id} was not locked: nothing that is open here brings it back",
            code="lock.not_held",
            next_step="See what was tried and what is closed; nothing of it stands.",
        )


def _locked(asked: LockAsked, config: Config, *, is_quiet: bool) -> Held:
    from trimtab import api

    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        return api.lock_plan(
            asked.name,
            asked.query,
            source_of(asked.dsn, asked.database, config),
            workload=asked.workload,
            role=asked.role,
            ttl_days=asked.days,
            is_confirmed=asked.confirm,
            spec=asked.spec or config.defaults.spec,
            pg_bin=asked.pg_bin or config.defaults.pg_bin,
            seed=asked.seed,
            ledger_path=ledger_of(config),
            watcher=watcher,
        )


def _print(held: Held, *, as_json: bool) -> None:
    if as_json:
        print_json(held_document(held))
    else:
        _show(held)


def list_all(dsn: str | None, database: str | None, *, config: Path | None, as_json: bool) -> None:
    """Print all leases, or those of a database as they stand there now."""
    from trimtab import api

    loaded = load(config)
    source = source_of(dsn, database, loaded) if dsn is not None or database is not None else None
    found = api.plan_locks(source, ledger_path=ledger_of(loaded))
    if as_json:
        print_json(locks_document(found))
    else:
        _list(found)


def unlock(
    lease: str,
    dsn: str | None,
    database: str | None,
    reason: str,
    *,
    spec: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Take a lock back."""
    from trimtab import api

    loaded = load(config)
    source = source_of(dsn, database, loaded)
    found = api.unlock_plan(
        lease, source, reason=reason, spec=spec or loaded.defaults.spec, ledger_path=ledger_of(loaded)
    )
    if as_json:
        print_json(locks_document([found]))
    else:
        stdout_console().print(f"{found.state.value}: {found.id}", highlight=False, markup=False)


def review(asked: ReviewAsked, *, as_json: bool, is_quiet: bool) -> None:
    """Review the leases of a database, and print how they stand."""
    from trimtab import api

    config = load(asked.config)
    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        found = api.review_locks(
            source_of(asked.dsn, asked.database, config),
            workload=asked.workload,
            ttl_days=asked.days,
            spec=asked.spec or config.defaults.spec,
            pg_bin=asked.pg_bin or config.defaults.pg_bin,
            seed=asked.seed,
            ledger_path=ledger_of(config),
            watcher=watcher,
        )
    if as_json:
        print_json(locks_document(found))
    else:
        _list(found)


def _show(held: Held) -> None:
    console = stdout_console()
    kind = held.attribution.kind.value if held.attribution.kind is not None else ""
    text = f"{held.query_id}: {kind}: {printable(held.attribution.reason)}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    for what, reason in held.tried:
        console.print(f"  tried {what}: {printable(reason)}", highlight=False, markup=False, soft_wrap=True)
    for what, reason in held.closed:
        console.print(f"  closed {what}: {printable(reason)}", highlight=False, markup=False, soft_wrap=True)
    if held.lease is not None:
        text = f"locked by {held.lease.id} until {utc_time(held.lease.expires_ns)}"
        console.print(text, highlight=False, markup=False)


def _list(found: Sequence[Lease]) -> None:
    table = Table(pad_edge=False)
    for name in ("lease", "query", "by", "state", "seen (UTC)", "until (UTC)", "flips today", "because"):
        table.add_column(name, overflow="fold", no_wrap=name == "lease")
    for lease in found:
        table.add_row(
            lease.id,
            lease.query_id,
            lease.mechanism,
            lease.state.value,
            utc_time(lease.seen_ns) if lease.seen_ns else "never",
            utc_time(lease.expires_ns),
            str(lease.flips),
            escape(printable(lease.reason)),
        )
    stdout_console().print(table if found else "no plan is locked")
