"""The public Python interface to the report that is handed over: its values, of a window that ends now. Thin.

What is made of the values (a page, Markdown, JSON, YAML, a PDF) is in `report/`. Nothing here asks a server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.config import Config
    from trimtab.history.reading import History
    from trimtab.lifecycle.reported import OptimizationReport

TIMEFRAME = "30d"
LONGEST_DAYS = 3660
_FORM = re.compile(r"(?P<number>[1-9]\d{0,6})(?P<unit>[smhdw])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def timeframe_seconds(text: str) -> float:
    """Return the seconds that "30d" or "12h" means. Raises UsageError `report.timeframe`."""
    found = _FORM.fullmatch(text)
    seconds = int(found["number"]) * _SECONDS[found["unit"]] if found is not None else 0.0
    if not 0 < seconds <= LONGEST_DAYS * 86_400:
        raise UsageError(
            f"the timeframe {text[:40]!r} was refused: it is no number of s, m, h, d or w from 1s to {LONGEST_DAYS}d",
            code="report.timeframe",
            next_step="Write a whole number and a unit, as in 30d, 12h or 2w.",
        )
    return seconds


def optimization_report(
    database: str | None = None,
    *,
    timeframe: str = TIMEFRAME,
    config: Config | None = None,
    ledger_path: Path | None = None,
    history: Callable[[], History] | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> OptimizationReport:
    """Return what was found, done, gained, refused and reverted in a window, and what it cost.

    `database` is a name of trimtab.toml (`config`), of the ledger or of the history; None is all of this machine.
    `history` opens the history; without it the one beside the ledger is read, where there is one. The same stores and
    the same clock give the same report. Raises LedgerError, UsageError `report.timeframe`, `report.unknown`.
    """
    from trimtab.lifecycle.reporting import ReportRequest, gather

    seconds = timeframe_seconds(timeframe)
    path = _path(ledger_path)
    opened = history or _beside(path, clock)
    name, servers = (None, None) if database is None else _meant(database, config)
    spec = None if config is None else config.defaults.spec
    report = gather(ReportRequest(path, clock(), seconds, name, servers, spec), opened)
    if database is not None and not (report.runs or report.changes or report.anchors or report.servers):
        is_named = config is not None and database in config.databases
        if not is_named and not _is_known(database, path):
            raise UsageError(
                f"the report was not made: {database[:80]!r} is in no trimtab.toml, ledger or history here",
                code="report.unknown",
                next_step="Leave it out for all databases; `trimtab history` lists those with runs.",
            )
    return report


def _meant(database: str, config: Config | None) -> tuple[str, tuple[str, ...]]:
    """Return the ledger's name of a database, and the names of its servers in the history."""
    entry = None if config is None else config.databases.get(database)
    if entry is None:
        return database, (database,)
    from psycopg.conninfo import conninfo_to_dict

    named = conninfo_to_dict(entry.conninfo).get("dbname")
    standbys = (f"{database}/standby{number}" for number, _ in enumerate(entry.standbys, 1))
    return str(named or database), (database, *standbys)


def _is_known(database: str, path: Path) -> bool:
    """Return whether the ledger has that database at any time."""
    from trimtab.ledger.history import runs
    from trimtab.ledger.ledger import Ledger

    if not path.exists():
        return False
    with Ledger.open(path) as ledger:
        return any(run.database == database for run in runs(tuple(ledger.entries())))


def _beside(path: Path, clock: Callable[[], int]) -> Callable[[], History] | None:
    from trimtab.api_history import HISTORY_NAME, open_history

    if not path.with_name(HISTORY_NAME).exists():
        return None
    return lambda: open_history(path, clock=clock)


def _path(path: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return path or ledger_path()
