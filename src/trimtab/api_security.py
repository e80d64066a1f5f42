"""The public interface to a server's security: take a baseline, check a server against it, compare two; and the class
that the original text names for optimizing without losing any. Thin, over `lifecycle`.

Everything here returns frozen values or raises TrimtabError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.api_spec import get_spec
from trimtab.errors import UsageError
from trimtab.model.index_wishes import NO_WISHES, IndexWishes
from trimtab.model.keyed import Keyed
from trimtab.model.report import OnSource, Report, Undeclared
from trimtab.model.watch import Silent, Watcher

if TYPE_CHECKING:
    from trimtab.lifecycle.secure_run import SecureRun, SecurityLevel
    from trimtab.lifecycle.securing import Checked, Compared, Taken
    from trimtab.security.difference import Difference
    from trimtab.security.findings import Finding
    from trimtab.security.transport import Transport

_REQUIREMENTS = ("security_level", "optimization_goals", "workload")


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


@dataclass(frozen=True, slots=True)
class SecurityStatus(Keyed):
    """What became of security, as it was read after the run.

    `preserved` is true when nothing was weakened and nothing is unknown over the run; `differences` are all that there
    were between its begin and its end, `undeclared` what was seen around its changes that none of them declares, also
    where that is gone since. `weakened_since_baseline` counts what is weaker than in the baseline at `baseline`.
    `unmet` says what of the level the server did not meet before the run.
    """

    preserved: bool
    security_level: str
    unmet: tuple[str, ...]
    differences: tuple[Difference, ...]
    undeclared: tuple[Undeclared, ...]
    baseline: str
    weakened_since_baseline: int
    unreadable: Mapping[str, str]
    findings: tuple[Finding, ...]
    transport: Transport


@dataclass(frozen=True, slots=True)
class SecurePerformance(Keyed):
    """What was measured: the workload's ms in the lab without and with what was proven there (None: not measured).

    `improvement` is the share of its time that was saved there, `on_source` how much of what was proven stands on the
    source, `source_p50_ms` the median of each query that was run there afterwards, by its id. `security_seconds` is
    what looking at security around the run took.
    """

    before_ms: float | None
    after_ms: float | None
    improvement: float | None
    on_source: OnSource
    changes_standing: int
    source_p50_ms: Mapping[str, float]
    security_seconds: float


@dataclass(frozen=True, slots=True)
class SecureOptimization(Keyed):
    """The three keys of `optimize_with_security_preservation`."""

    optimization_result: Report
    security_status: SecurityStatus
    performance_metrics: SecurePerformance


class SecureOptimizationEngine:
    """The optimizer that preserves security, under one specification, by the name that the original text gives it."""

    def __init__(
        self,
        spec_id: str | Path = "DATABASE_OPTIMIZATION_SPEC_V4",
        *,
        lab: str = "clone",
        apply: bool = False,
        pg_bin: Path | None = None,
        ledger_path: Path | None = None,
        wishes: IndexWishes = NO_WISHES,
        watcher: Watcher | None = None,
    ) -> None:
        """`spec_id` is an id or a file. The others are as in `optimize`."""
        self.spec = get_spec(spec_id, ledger_path=ledger_path)
        self._spec_reference = spec_id
        self._lab = lab
        self._apply = apply
        self._pg_bin = pg_bin
        self._ledger_path = ledger_path
        self._wishes = wishes
        self._watcher = watcher

    def optimize_with_security_preservation(
        self, database_system: str | None, security_requirements: Mapping[str, object]
    ) -> SecureOptimization:
        """Run the lifecycle on a database, given by its DSN, and look at its security before and after.

        `security_requirements` may have `security_level` (standard, strict or maximum), `optimization_goals` (of speed,
        efficiency) and `workload` (a `.sql` file or statements; else pg_stat_statements). The first run takes the
        baseline of the database; later ones are held to it. Raises UsageError `usage.security_requirements`,
        RefusedError `security.level`, and what `optimize` raises.
        """
        from trimtab.db.dsn import conninfo_for
        from trimtab.lifecycle.request import Request, given_workload
        from trimtab.lifecycle.secure_run import optimize_securely

        level, goals, workload = _required(security_requirements)
        request = Request(
            conninfo=conninfo_for(database_system, None),
            ledger_path=_ledger(self._ledger_path),
            workload=given_workload(workload),
            objectives=goals,
            spec=self._spec_reference,
            lab=self._lab,
            apply=self._apply,
            pg_bin=self._pg_bin,
            wishes=self._wishes,
        )
        run = optimize_securely(request, level, self._watcher or Silent())
        return SecureOptimization(run.report, _status(run), _performance(run))


def _status(run: SecureRun) -> SecurityStatus:
    checked, kept = run.since_the_baseline, run.report.security
    undeclared = () if kept is None else kept.undeclared
    return SecurityStatus(
        preserved=run.over_the_run.is_preserved and not undeclared,
        security_level=run.level.value,
        unmet=run.unmet,
        differences=run.over_the_run.differences,
        undeclared=undeclared,
        baseline=run.baseline_path,
        weakened_since_baseline=len(checked.compared.weakened),
        unreadable=run.over_the_run.after.unreadable,
        findings=checked.findings,
        transport=checked.transport,
    )


def _performance(run: SecureRun) -> SecurePerformance:
    report = run.report
    levels = () if report.anchor is None else report.anchor.queries
    return SecurePerformance(
        before_ms=report.before_ms,
        after_ms=report.after_ms,
        improvement=report.improvement,
        on_source=report.on_source,
        changes_standing=report.changes_standing,
        source_p50_ms={level.query_id: level.p50_ms for level in levels if level.runs},
        security_seconds=run.security_seconds,
    )


def _required(
    requirements: Mapping[str, object],
) -> tuple[SecurityLevel, tuple[str, ...], str | Path | Sequence[str] | None]:
    """Return the level, the goals and the workload. What is not understood is refused: it may have been meant."""
    from trimtab.lifecycle.secure_run import SecurityLevel

    unknown = sorted(set(requirements) - set(_REQUIREMENTS))
    if unknown:
        raise _not_understood(f"{', '.join(map(str, unknown))} is none of {', '.join(_REQUIREMENTS)}")
    try:
        level = SecurityLevel(str(requirements.get("security_level", SecurityLevel.STANDARD)))
    except ValueError:
        raise _not_understood(f"security_level is one of {', '.join(SecurityLevel)}") from None
    goals = requirements.get("optimization_goals", ("speed", "efficiency"))
    if (
        isinstance(goals, str)
        or not isinstance(goals, Sequence)
        or not set(goals) <= {"speed", "efficiency"}
        or not goals
    ):
        raise _not_understood("optimization_goals are speed, efficiency or both")
    workload = requirements.get("workload")
    if workload is not None and not isinstance(workload, str | Path | Sequence):
        raise _not_understood("workload is a file, or a sequence of statements")
    return level, tuple(goals), workload


def _not_understood(found: str) -> UsageError:
    return UsageError(
        f"the security requirements were refused: {found}",
        code="usage.security_requirements",
        next_step="Give what the documentation of SecureOptimizationEngine names.",
    )


def _ledger(given: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return given or ledger_path()
