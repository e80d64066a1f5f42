"""What a run leaves for its reader: every strategy's life, the workload before and after, and whether the ledger holds.

The faces print it; nothing here is computed twice elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.model.anchor import Anchor
from trimtab.model.applied import Applied
from trimtab.model.catalog import ServerIdentity
from trimtab.model.change import Change
from trimtab.model.strategy import Outcome, Prediction, QueryTrial, Strategy, Trial, Verdict
from trimtab.model.workload import Workload


@dataclass(frozen=True, slots=True)
class Life:
    """A strategy's way through the stages; what it has not reached is None. `note` says why it ended where it did.

    `inverses` undo the strategy's changes, one each, as the snapshot of the run says.
    """

    strategy: Strategy
    inverses: tuple[Change, ...] = ()
    outcome: Outcome = Outcome.UNTRIED
    verdict: Verdict | None = None
    prediction: Prediction | None = None
    trial: Trial | None = None
    applied: tuple[Applied, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How many entries the ledger holds, whether its chain verifies, and the hash of its last entry."""

    entries: int
    verified: bool
    head: str
    path: str


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the lifecycle. `queries` compares the whole workload in the lab, before against after, in pairs.

    Totals are ms weighted by executions. `stages` maps a stage's name to the seconds that it took. `applied` tells
    whether the run was allowed to change the source; `fidelity` is the share of plan costs on the twin within 1 %.
    """

    run_id: str
    server: ServerIdentity
    workload: Workload
    lives: tuple[Life, ...]
    queries: tuple[QueryTrial, ...]
    before_ms: float | None
    after_ms: float | None
    ledger: LedgerState
    lab: str
    applied: bool
    anchor: Anchor | None = None
    fidelity: Mapping[str, float | int | str] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @property
    def improvement(self) -> float | None:
        """Measured share of the workload's time saved, None when nothing was measured."""
        if self.before_ms is None or self.after_ms is None or self.before_ms <= 0:
            return None
        return 1.0 - self.after_ms / self.before_ms

    def lives_with(self, *outcomes: Outcome) -> tuple[Life, ...]:
        """Return the lives that ended in one of these outcomes."""
        return tuple(life for life in self.lives if life.outcome in outcomes)
