"""`trimtab report`: options into a report, and its bytes into a file that is there whole or not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.collecting import history_of
from trimtab.cli.commands import ledger_of, load, print_json
from trimtab.cli.text import say
from trimtab.durable import write_durably
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.config import Config
    from trimtab.history.reading import History
    from trimtab.report.written import ReportFormat

WRITTEN_SCHEMA = "trimtab.report.written/v1"
_TO_STDOUT = Path("-")
_STREAMED = frozenset({"md", "json", "yaml"})
"""Without `--out` these go to stdout, as a reader or a pipe wants them; the others are files."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab report`, as given."""

    database: str | None = None
    timeframe: str = "30d"
    form: str = "comprehensive"
    out: Path | None = None
    replaces: bool = False
    config: Path | None = None


def report(asked: Asked, *, as_json: bool) -> None:
    """Make the report and write it."""
    from trimtab.api_report import optimization_report, timeframe_seconds
    from trimtab.report.written import report_bytes, report_format

    form, _ = report_format(asked.form), timeframe_seconds(asked.timeframe)
    now_ns = time.time_ns()
    path = _place(asked, form, now_ns, as_json=as_json)
    if path is not None:
        _refuse_place(path, replaces=asked.replaces)
    loaded = load(asked.config)
    found = optimization_report(
        asked.database,
        timeframe=asked.timeframe,
        config=loaded,
        ledger_path=ledger_of(loaded),
        history=_history(loaded),
        clock=lambda: now_ns,
    )
    for note in found.notes:
        say(f"trimtab: {note}")
    content = report_bytes(found, form)
    if path is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    _write(path, content, replaces=asked.replaces)
    if as_json:
        print_json(
            {
                "schema": WRITTEN_SCHEMA,
                "path": str(path),
                "format": form.value,
                "size_bytes": len(content),
                "sha256": sha256(content).hexdigest(),
                "notes": list(found.notes),
            }
        )
    else:
        say(f"wrote {path}, {len(content):,} bytes")


def _place(asked: Asked, form: ReportFormat, now_ns: int, *, as_json: bool) -> Path | None:
    """Return the file to write, None for stdout."""
    if asked.out is not None:
        return None if asked.out == _TO_STDOUT else asked.out
    if form.value in _STREAMED and not (as_json and form.value != "json"):
        return None
    at = datetime.fromtimestamp(now_ns // 10**9, UTC)
    return Path(f"trimtab-report-{at:%Y%m%dT%H%M%SZ}{form.suffix}")


def _history(loaded: Config) -> Callable[[], History] | None:
    from trimtab.api_history import HISTORY_NAME

    if loaded.history.store is None and not ledger_of(loaded).with_name(HISTORY_NAME).exists():
        return None
    return lambda: history_of(loaded)


def _refuse_place(path: Path, *, replaces: bool) -> None:
    """Refuse before the work what could not be written after it."""
    if path.is_dir() or not path.parent.is_dir():
        found = "it is a directory" if path.is_dir() else "its directory is not there"
        raise _unwritable(path, found)
    if path.exists() and not replaces:
        raise _exists(path)


def _write(path: Path, content: bytes, *, replaces: bool) -> None:
    try:
        write_durably(path, content, replaces=replaces)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error.strerror or type(error).__name__) from None


def _exists(path: Path) -> UsageError:
    return UsageError(
        f"the report was not written: {path} is there already",
        code="report.exists",
        next_step="Use --force to replace it, or --out for another file.",
    )


def _unwritable(path: Path, found: str) -> UsageError:
    return UsageError(
        f"the report was not written to {path}: {found}",
        code="report.unwritable",
        next_step="Make room, or name a file in a directory that you may write to with --out.",
    )
