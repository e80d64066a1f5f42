"""`trimtab collect` and `trimtab ingest`: write the history of servers, from their counters and from their logs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import ledger_of, load
from trimtab.cli.passwords import conninfo_of
from trimtab.cli.text import printable, say, utc_time
from trimtab.cli.watching import parse_duration
from trimtab.errors import TrimtabError, UsageError

if TYPE_CHECKING:
    from trimtab.config import Config
    from trimtab.history.reading import History
    from trimtab.history.store import HistoryStore
    from trimtab.lifecycle.collect_server import Seen, Target

LEAST_SECONDS, LONGEST_SECONDS = 0.2, 600.0
ALL = "all"
COLLECT_SCHEMA = "trimtab.collect.event/v1"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab collect`, as given."""

    databases: str = ALL
    interval: str = "10s"
    pulse: str = "1s"
    seconds: float | None = None
    config: Path | None = None


def collect(asked: Asked, *, as_json: bool, is_quiet: bool) -> int:
    """Collect until the end. Return the exit code."""
    from trimtab.lifecycle.collect_server import Pace
    from trimtab.lifecycle.collect_writing import HistoryWriter
    from trimtab.lifecycle.collecting import Collecting
    from trimtab.lifecycle.collecting_lock import held_for

    loaded = load(asked.config)
    targets = targets_of(asked.databases, loaded)
    interval, pulse = (_seconds(text) for text in (asked.interval, asked.pulse))
    teller = _Teller(as_json=as_json, is_quiet=is_quiet)
    with ExitStack() as stack:
        for target in targets:
            stack.enter_context(held_for(ledger_of(loaded), target.name))
        store = stack.enter_context(store_of(loaded))
        writer = HistoryWriter(store, interval, teller.seen, teller.trouble, teller.kept)
        collecting = Collecting(targets, Pace(min(pulse, interval), interval), writer, writer.remembered)
        collecting.start()
        try:
            teller.began(len(targets), store.name)
            collecting.wait(asked.seconds)
        finally:
            collecting.stop()
            writer.flush(time.time_ns())
    return 0


def targets_of(wanted: str, config: Config) -> list[Target]:
    """Return the servers that are meant: all of trimtab.toml, with the replicas that it names, or some by name.

    Raises UsageError `collect.nothing` where it names none, `collect.unknown` for a name that it does not have.
    """
    from trimtab.lifecycle.collect_server import Target

    known: dict[str, Callable[[], str]] = {}
    for entry in config.databases.values():
        known[entry.name] = partial(conninfo_of, entry)
        for number, standby in enumerate(entry.standbys, 1):
            known[f"{entry.name}/standby{number}"] = partial(str, standby)
    if not known:
        raise UsageError(
            "there is no server to look at: trimtab.toml names none",
            code="collect.nothing",
            next_step="`trimtab init --database NAME --dsn DSN` writes one; docs/cli.md says what stands in it.",
        )
    names = list(known) if wanted.strip() == ALL else [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"{printable(unknown[0] if unknown else wanted)!r} is no database of trimtab.toml",
            code="collect.unknown",
            next_step=f"Known are: {', '.join(printable(name) for name in known)}; or all.",
        )
    return [Target(name, known[name]) for name in dict.fromkeys(names)]


def store_of(config: Config) -> HistoryStore:
    """Open the history that trimtab.toml means. Raises LedgerError `history.*`."""
    from trimtab.api_history import history_place, retention_of
    from trimtab.db.dsn import conninfo_for
    from trimtab.history.reading import open_history

    store = None if config.history.store is None else conninfo_for(config.history.store, None)
    return open_history(history_place(ledger_of(config), store), retention_of(config.history))


def history_of(config: Config) -> History:
    """Open the history that trimtab.toml means, for reading. Raises LedgerError `history.*`."""
    from trimtab.history.reading import History

    return History(store_of(config))


def _seconds(text: str) -> float:
    found = parse_duration(text)
    if not LEAST_SECONDS <= found <= LONGEST_SECONDS:
        raise UsageError(
            f"the interval {printable(text)!r} was refused: it is a time from 200ms to 600s",
            code="collect.interval",
            next_step="Write a number and a unit, as in 10s, 500ms or 1m.",
        )
    return found


@dataclass(slots=True)
class _Teller:
    """Prints a line when something happens to a server, or to the store."""

    as_json: bool
    is_quiet: bool
    _told: dict[str, str] = field(default_factory=dict)

    def began(self, servers: int, store: str) -> None:
        """Tell what is about to be done."""
        if not self.is_quiet and not self.as_json:
            say(f"collecting from {servers} servers into {store}; Ctrl-C ends it")

    def seen(self, name: str, seen: Seen) -> None:
        """Tell the events of a step."""
        for kind, detail in seen.events:
            self._event(name, seen.at_ns, kind, detail)

    def trouble(self, name: str, error: TrimtabError) -> None:
        """Tell once, until it is another one, what cannot be done."""
        if self._told.get(name) != error.code:
            self._told[name] = error.code
            self._event(name, time.time_ns(), "trouble", {"code": error.code, "message": str(error)})

    def kept(self, name: str) -> None:
        """Tell that what could not be done can be done again; the next time that it cannot is told anew."""
        if self._told.pop(name, None) is not None:
            self._event(name, time.time_ns(), "trouble_over", {})

    def _event(self, name: str, at_ns: int, kind: str, detail: Mapping[str, object]) -> None:
        if self.as_json:
            line = {"schema": COLLECT_SCHEMA, "at_ns": at_ns, "server": name, "kind": kind, "detail": dict(detail)}
            sys.stdout.write(json.dumps(line) + "\n")
        else:
            words = ", ".join(f"{key}={value}" for key, value in detail.items())
            sys.stdout.write(printable(f"{utc_time(at_ns)} {name}: {kind.replace('_', ' ')} {words}".rstrip()) + "\n")
        sys.stdout.flush()
