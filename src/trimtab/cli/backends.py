"""`backend list`, `cancel` and `terminate`: what is shown, and a person's yes. What is allowed is decided elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stdout_console
from trimtab.cli.monitor.words import cut, seconds
from trimtab.cli.passwords import conninfo_of
from trimtab.cli.text import printable, say
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trimtab.config import Config
    from trimtab.lifecycle.backends import SeenBackend
    from trimtab.model.backend import BackendAct, BackendEnded

_MOST_TEXT = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments and options of `backend cancel` and `backend terminate`, as given."""

    pid: int
    dsn: str | None = None
    database: str | None = None
    started: str | None = None
    reason: str = ""
    spec: str | None = None
    config: Path | None = None


def show(
    dsn: str | None, *, database: str | None, shows_all: bool, spec: str | None, config: Path | None, as_json: bool
) -> None:
    """Print the backends, with what may be done to each."""
    from trimtab import api_operations as api
    from trimtab.model.backend import BackendAct

    loaded = load(config)
    found = api.backends(
        operator_of(dsn, database, loaded),
        every=shows_all,
        spec=spec or loaded.defaults.spec,
        ledger_path=ledger_of(loaded),
    )
    if as_json:
        print_json({"schema": "trimtab.backends/v1", "backends": [backend_document(each) for each in found]})
        return
    if not found:
        stdout_console().print("nobody is at work", highlight=False)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("pid", "role", "database", "state", "for", "wait", "held by", "cancel", "terminate", "text"):
        table.add_column(name, no_wrap=name != "text", justify="right" if name in ("pid", "for") else "left")
    for each in found:
        one = each.backend
        table.add_row(
            str(one.pid), cut(one.role, 16), cut(one.database, 16), cut(one.state, 20), seconds(one.seconds),
            cut(one.wait, 20), " ".join(map(str, one.blocked_by)), each.answer(BackendAct.CANCEL),
            each.answer(BackendAct.TERMINATE), cut(one.text, _MOST_TEXT),
        )  # fmt: skip
    console = stdout_console()
    console.print(table, markup=False, highlight=False)


def end(word: str, asked: Asked, *, as_json: bool) -> None:
    """Show the backend, ask where the specification wants it, and have it cancelled or terminated."""
    from trimtab import api_operations as api
    from trimtab.model.backend import BackendAct

    act = BackendAct(word)
    loaded = load(asked.config)
    source = operator_of(asked.dsn, asked.database, loaded)
    spec, ledger_path = asked.spec or loaded.defaults.spec, ledger_of(loaded)
    seen = api.backend(asked.pid, dsn=source, started_at=asked.started, spec=spec, ledger_path=ledger_path)
    is_confirmed = seen.may(act) and act in seen.asks and confirmed(act, seen)
    ended = api.end_backend(
        act,
        seen.backend,
        dsn=source,
        via="terminal",
        is_confirmed=is_confirmed,
        reason=asked.reason,
        spec=spec,
        ledger_path=ledger_path,
    )
    if as_json:
        print_json({"schema": "trimtab.backend/v1", **ended_document(ended), "backend": backend_document(seen)})
    else:
        stdout_console().print(printable(ended_line(ended)), markup=False, highlight=False, soft_wrap=True)


def confirmed(act: BackendAct, seen: SeenBackend) -> bool:
    """Show a person what it is and ask; without a terminal nobody was asked. Raises UsageError `backend.declined`."""
    from trimtab.lifecycle.backends import told_lines

    if not sys.stdin.isatty():
        return False
    for line in told_lines(seen):
        say(line)
    sys.stderr.write(f"It cannot be put back. Type {seen.backend.pid} to {act.value} it: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != str(seen.backend.pid):
        raise UsageError(
            f"nothing was done to backend {seen.backend.pid}: it was not confirmed",
            code="backend.declined",
            next_step="Run it again, and type its number.",
        )
    return True


def operator_of(dsn: str | None, database: str | None, config: Config) -> str | None:
    """Return the DSN that backends are looked at and signalled by: `operator_dsn` of an entry that has one."""
    entry = config.databases.get(database) if database is not None else None
    if dsn is None and entry is not None and entry.operator_dsn is not None:
        return entry.operator_dsn
    return source_of(dsn, database, config)


def operators_of(config: Config) -> dict[str, Callable[[], str]]:
    """Return what gives that DSN for every server of trimtab.toml, by its name in the monitor and on the pages."""
    found: dict[str, Callable[[], str]] = {}
    for entry in config.databases.values():
        own = entry.operator_dsn
        found[entry.name] = partial(conninfo_of, entry) if own is None else partial(str, own)
        for number, standby in enumerate(entry.standbys, 1):
            found[f"{entry.name}/standby{number}"] = partial(str, standby)
    return found


def ended_line(ended: BackendEnded) -> str:
    """Return in a line what came of it."""
    pid = ended.backend.pid
    done = f"cancelled: what backend {pid} ran" if ended.act.value == "cancel" else f"terminated: backend {pid}"
    return done if ended.has_ended else f"sent to backend {pid}: {ended.act.value}; it had not ended after two seconds"


def ended_document(ended: BackendEnded) -> dict[str, object]:
    """Return what came of it as documents have it."""
    return {
        "act": ended.act.value,
        "intent_id": ended.intent_id,
        "has_ended": ended.has_ended,
        "seconds": round(ended.seconds, 6),
    }


def backend_document(seen: SeenBackend) -> dict[str, object]:
    """Return a backend as documents have it."""
    from trimtab.model.backend import BackendAct

    one = seen.backend
    return {
        "pid": one.pid,
        "started_at": one.started_at,
        "since": one.since,
        "kind": one.kind,
        "role": one.role,
        "database": one.database,
        "application": one.application,
        "state": one.state,
        "wait": one.wait,
        "seconds": one.seconds,
        "blocked_by": list(one.blocked_by),
        "text": one.text,
        "answers": {act.value: seen.answer(act) for act in BackendAct},
    }
