"""The public interface to a server's security: take a baseline, check a server against it, compare two.

Thin, over `lifecycle`. Everything here returns frozen values or raises TrimtabError.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.lifecycle.securing import Checked, Compared, Taken


def security_baseline(dsn: str | None = None, *, out: Path | None = None, ledger_path: Path | None = None) -> Taken:
    """Read a server's security, sign it and keep it as its database's baseline; `out` is a copy to give away.

    The server is only read, with what the role may see; what it may not is named. Raises TrimtabError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import securing

    return securing.take_baseline(conninfo_for(dsn, None), _ledger(ledger_path), out=out)


def security_check(
    dsn: str | None = None,
    *,
    baseline: Path | None = None,
    keys: Sequence[Path] = (),
    ledger_path: Path | None = None,
) -> Checked:
    """Compare a server with its baseline, or with the document at `baseline`. Raises TrimtabError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import securing

    return securing.check(conninfo_for(dsn, None), _ledger(ledger_path), baseline=baseline, keys=keys)


def security_diff(before: Path, after: Path, *, keys: Sequence[Path] = (), ledger_path: Path | None = None) -> Compared:
    """Compare two documents of baselines; no server is asked. Raises TrimtabError."""
    from trimtab.lifecycle import securing

    return securing.diff(before, after, _ledger(ledger_path), keys=keys)


def _ledger(given: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return given or ledger_path()
