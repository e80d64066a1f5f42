"""`freeze` and `thaw`: what the options mean, and what is told of it. The switch itself is `apply.switch`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import ledger_of, load, print_json, stderr_console, stdout_console
from trimtab.cli.text import printable, tell, utc_time
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimtab.apply.switch import Freeze
    from trimtab.config import Config
    from trimtab.lifecycle.freezing import Switched


def freeze(database: str | None, *, reason: str, allow_reverts: bool, config: Path | None, as_json: bool) -> int:
    """Freeze, and tell. Return the exit code: that of the ledger when it could not tell of it."""
    from trimtab.lifecycle import freezing

    loaded = load(config)
    scope = _database_of(database, loaded)
    done = freezing.freeze(ledger_of(loaded), scope, reason, allows_reverts=allow_reverts, now_ns=time.time_ns())
    return _told(done, "trimtab.freeze/v1", as_json=as_json)


def thaw(database: str | None, *, all_of_them: bool, config: Path | None, as_json: bool) -> int:
    """End a freeze, and tell."""
    from trimtab.lifecycle import freezing

    if all_of_them and database is not None:
        raise UsageError(
            "both --all and --database were given", code="usage.thaw", next_step="Give one of them, or neither."
        )
    loaded = load(config)
    done = freezing.thaw(ledger_of(loaded), _database_of(database, loaded), all_of_them=all_of_them)
    return _told(done, "trimtab.thaw/v1", as_json=as_json)


def frozen_documents(frozen: Sequence[Freeze]) -> list[dict[str, object]]:
    """Return the freezes as documents have them."""
    from trimtab.lifecycle.freezing import freeze_document

    return [{**freeze_document(each), "since": utc_time(each.at_ns)} for each in frozen]


def show_frozen(frozen: Sequence[Freeze], *, is_on_stderr: bool = False) -> None:
    """Print a line for each freeze."""
    console = stderr_console() if is_on_stderr else stdout_console()
    for each in frozen:
        reverts = "; what was applied may be taken back" if each.allows_reverts else ""
        # Of a file that cannot be read nobody knows.
        since = f", since {utc_time(each.at_ns)} UTC" if each.at_ns else ""
        text = f"FROZEN   {each.told()}{since}{reverts}"
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _database_of(name: str | None, config: Config) -> str | None:
    """Return the database's name on its server: that of the entry of trimtab.toml, else that which was given.

    As a name, or as psql takes one after -d: in a DSN.
    """
    if name is None:
        return None
    from psycopg.conninfo import conninfo_to_dict

    from trimtab.db.dsn import conninfo_for

    entry = config.databases.get(name)
    found = conninfo_to_dict(conninfo_for(name if entry is None else entry.conninfo, None)).get("dbname")
    if not found:
        told = "what was given" if entry is None else f"the entry of {name} in trimtab.toml"
        raise UsageError(
            f"nothing was done: {told} does not name the database itself",
            code="freeze.database",
            next_step="Name the database as PostgreSQL calls it (`trimtab status` shows it), or freeze everything.",
        )
    return str(found)


def _told(done: Switched, schema: str, *, as_json: bool) -> int:
    if as_json:
        print_json(
            {"schema": schema, "changed": frozen_documents(done.changed), "frozen": frozen_documents(done.frozen)}
        )
    else:
        for each in done.changed if schema == "trimtab.thaw/v1" else ():
            text = printable(f"thawed: {each.database if each.database is not None else 'everything'}")
            stdout_console().print(text, markup=False, highlight=False, soft_wrap=True)
        show_frozen(done.frozen)
        if not done.frozen:
            stdout_console().print("nothing is frozen", highlight=False)
    if done.unrecorded is None:
        return 0
    tell(done.unrecorded)
    return done.unrecorded.exit_code
