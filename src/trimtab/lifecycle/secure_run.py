"""A run of the loop between two looks at security, at a level that its caller asks for. It judges; the loop changes.

The baseline of the database is what is kept; where there is none, this run takes one. Before anything is changed the
server must meet the level, and be no weaker than its baseline.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from trimtab.db.role import APPLYING, READING
from trimtab.errors import ApplyError, KeyFileError, LedgerError, RefusedError, SecurityError, SourceError
from trimtab.lifecycle.loop import optimize
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.securing import Checked, Compared, baseline_path, check_or_begin
from trimtab.model.report import Report
from trimtab.model.watch import Watcher
from trimtab.security.difference import compare
from trimtab.security.findings import Severity


class SecurityLevel(StrEnum):
    """What is asked of a server before it is changed. Each level asks for what those before it ask, and more."""

    STANDARD = "standard"
    """Nothing is weakened: not since the baseline, and not by the run."""
    STRICT = "strict"
    """And the role may read all of it."""
    MAXIMUM = "maximum"
    """And nothing is found that deserves a warning of high severity."""


@dataclass(frozen=True, slots=True)
class SecureRun:
    """What a run did, and what became of security: over the run, and since the baseline.

    `unmet` says what of the level the server did not meet before; `security_seconds` is what both looks around the
    run took.
    """

    report: Report
    level: SecurityLevel
    unmet: tuple[str, ...]
    over_the_run: Compared
    since_the_baseline: Checked
    baseline_path: str
    security_seconds: float


def optimize_securely(request: Request, level: SecurityLevel, watcher: Watcher) -> SecureRun:
    """Carry the workload through the lifecycle, with security looked at before and after.

    Raises RefusedError `security.level` when the run may change the source and the level is not met, ApplyError
    `security.unseen` when what the run did stands and cannot be looked at, and what the loop raises.
    """
    started = time.monotonic()
    before = _checked(request)
    seconds = time.monotonic() - started
    unmet = _unmet(before, level)
    if request.apply and unmet:
        raise RefusedError(
            f"nothing was done: the security level {level.value} is not met: {'; '.join(unmet)}",
            code="security.level",
            next_step="Mend it, or ask for a lower level; `trimtab security check` tells all.",
        )
    report = optimize(request, watcher)
    started = time.monotonic()
    after = _checked_after(request, report)
    old, new = before.compared.after, after.compared.after
    compared = Compared(old, new, compare(old, new))
    path = str(baseline_path(new, request.ledger_path))
    return SecureRun(report, level, unmet, compared, after, path, seconds + time.monotonic() - started)


def _checked(request: Request) -> Checked:
    """Compare the server with its baseline; the first time, that is taken."""
    return check_or_begin(request.conninfo, request.ledger_path, work=APPLYING if request.apply else READING)


def _checked_after(request: Request, report: Report) -> Checked:
    try:
        return _checked(request)
    except (SourceError, RefusedError, LedgerError, SecurityError, KeyFileError) as error:
        raise ApplyError(
            f"the run {report.run_id} is over, {report.changes_standing} changes of it stand on the source, and its "
            f"security could not be looked at afterwards: {error}",
            code="security.unseen",
            next_step=f"Run `trimtab security check`; `trimtab show {report.run_id}` tells what was compared around "
            "each change, `trimtab revert` takes them back.",
        ) from error


def _unmet(checked: Checked, level: SecurityLevel) -> tuple[str, ...]:
    found = []
    if checked.compared.weakened:
        first = checked.compared.weakened[0]
        found.append(f"{len(checked.compared.weakened)} things are weaker than in the baseline, first {first.code}")
    if level is not SecurityLevel.STANDARD and checked.compared.after.unreadable:
        found.append(f"this role cannot read {', '.join(sorted(checked.compared.after.unreadable))}")
    if level is SecurityLevel.MAXIMUM:
        high = sorted({each.code for each in checked.findings if each.severity is Severity.HIGH})
        found += [f"{code} was found" for code in high]
    return tuple(found)
