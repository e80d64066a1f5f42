"""`trimtab monitor`: options into collectors and a face: screens in a terminal, plain lines or JSON elsewhere."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.collecting import ALL, history_of, targets_of
from trimtab.cli.commands import ledger_of, load, print_json
from trimtab.cli.extras import require_extra
from trimtab.cli.text import printable, say
from trimtab.cli.watching import parse_duration
from trimtab.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from trimtab.cli.monitor.looking import Looking
    from trimtab.config import Config
    from trimtab.history.reading import History

LEAST_REFRESH, LONGEST_REFRESH = 0.2, 60.0
_WITHOUT_SCREENS = frozenset({"", "dumb", "unknown"})
_LEAST_COLOURS = 8
_ONCE_SECONDS = 11.0
"""Two rounds of statements, and what ran between them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab monitor`, as given."""

    databases: str = ALL
    refresh: str = "1s"
    is_once: bool = False
    is_plain: bool = False
    shows_compliance: bool = True
    seconds: float | None = None
    config: Path | None = None


def monitor(asked: Asked, *, as_json: bool) -> int:
    """Show the fleet until the end. Without a terminal it is looked at once, and told in plain text.

    A terminal that only writes on is told plain text again and again.
    """
    refresh = parse_duration(asked.refresh)
    if not LEAST_REFRESH <= refresh <= LONGEST_REFRESH:
        raise UsageError(
            f"the refresh {printable(asked.refresh)!r} was refused: it is a time from 200ms to 60s",
            code="monitor.refresh",
            next_step="Write a number and a unit, as in 1s or 500ms.",
        )
    loaded = load(asked.config)
    looking = _looking(asked, loaded, refresh)
    is_terminal = sys.stdout.isatty() and sys.stdin.isatty()
    if asked.is_plain or as_json or asked.is_once or not is_terminal or not _takes_screens():
        is_once = asked.is_once or (not is_terminal and asked.seconds is None and not asked.is_plain and not as_json)
        return _told(looking, is_once=is_once, as_json=as_json, seconds=asked.seconds)
    return _shown(looking, loaded)


def monitor_as_written(
    *, databases: str, realtime: str, compliance: str, spec_id: str | None, config: Path | None, as_json: bool
) -> int:
    """Run `monitor` with the original's options."""
    if realtime.lower() not in ("true", "false"):
        raise UsageError(
            f"--realtime={printable(realtime)} was refused: it is true or false",
            code="monitor.realtime",
            next_step="Write --realtime=true or --realtime=false.",
        )
    if compliance.lower() not in ("enabled", "disabled"):
        raise UsageError(
            f"--compliance={printable(compliance)} was refused: it is enabled or disabled",
            code="monitor.compliance",
            next_step="Write --compliance=enabled or --compliance=disabled.",
        )
    if spec_id is not None:
        from trimtab.spec.load import load_spec

        load_spec(spec_id)
    asked = Asked(
        databases=databases,
        is_once=realtime.lower() == "false",
        shows_compliance=compliance.lower() == "enabled",
        config=config,
    )
    return monitor(asked, as_json=as_json)


def _looking(asked: Asked, loaded: Config, refresh: float) -> Looking:
    from trimtab.cli.monitor.looking import Looking
    from trimtab.lifecycle.dashboard_reading import DashboardReader

    return Looking.at(
        targets_of(asked.databases, loaded),
        refresh_seconds=refresh,
        reader=DashboardReader(ledger_of(loaded), loaded.defaults.spec),
        history=_history(loaded),
        shows_compliance=asked.shows_compliance,
    )


def _history(loaded: Config) -> History | None:
    """The history is read where somebody writes one; without it the monitor shows what it sees itself."""
    from trimtab.api_history import HISTORY_NAME

    if loaded.history.store is None and not ledger_of(loaded).with_name(HISTORY_NAME).exists():
        return None
    try:
        return history_of(loaded)
    except LedgerError as error:
        say(f"trimtab: the history is left out: {error}")
        return None


def _shown(looking: Looking, loaded: Config) -> int:
    require_extra(
        "the screens of trimtab monitor", "monitor", "textual",
        code="monitor.extra", otherwise="; or use --plain, --once or --json",
    )  # fmt: skip
    from trimtab.cli.backends import operators_of
    from trimtab.cli.monitor.app import MonitorApp
    from trimtab.cli.monitor.operating import Operating

    if not _has_colours():
        os.environ["NO_COLOR"] = "1"
    operating = Operating(operators_of(loaded), loaded.defaults.spec, ledger_of(loaded))
    MonitorApp(looking, operating, has_plain_bars=not _takes_bars()).run()
    if looking.collecting.fault is not None:
        raise looking.collecting.fault
    return 0


def _told(looking: Looking, *, is_once: bool, as_json: bool, seconds: float | None) -> int:
    """Tell the fleet once, or again and again: then a document a line, or plain text with an empty line between."""
    from trimtab.cli.monitor.plain import document_of, text_of

    looking.collecting.start()
    began = looking.tick()
    wait = max(_ONCE_SECONDS, 2 * looking.refresh_seconds) if is_once else looking.refresh_seconds
    try:
        while True:
            looking.collecting.wait(wait)
            servers, events = looking.live.fleet(), looking.live.events(limit=20)
            board = looking.dashboard()
            told = (board, servers, events, looking.trouble)
            if as_json and is_once:
                print_json(document_of(*told))
            elif as_json:
                sys.stdout.write(json.dumps(document_of(*told)) + "\n")
            else:
                sys.stdout.write("\n".join(text_of(*told)) + "\n" + ("" if is_once else "\n"))
            with suppress(ValueError):
                sys.stdout.flush()
            if is_once or (seconds is not None and looking.tick() - began >= seconds):
                return 0
    finally:
        looking.close()


def _takes_screens() -> bool:
    """Return whether text can be placed anywhere on the terminal, as far as it is known."""
    return os.environ.get("TERM", "") not in _WITHOUT_SCREENS


def _has_colours() -> bool:
    """Return whether the terminal has colours, by the system's description of it; one that it lacks is taken to."""
    import curses

    try:
        curses.setupterm()
    except curses.error:
        return True
    return curses.tigetnum("colors") >= _LEAST_COLOURS


def _takes_bars() -> bool:
    """Return whether the terminal's encoding has the characters of trails."""
    try:
        "▁█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
