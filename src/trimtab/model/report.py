"""What a run leaves for its reader: every strategy's life, the workload before and after, and whether the ledger holds.

The faces print it; nothing here is computed twice elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trimtab.model.anchor import Anchor
from trimtab.model.applied import Applied
from trimtab.model.catalog import ServerIdentity
from trimtab.model.change import Change
from trimtab.model.shares import saved_share
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


class OnSource(StrEnum):
    """How much of what the lab proved stands on the source at the end of a run.

    NOTHING_PROVEN: there was nothing that could stand there. NOT_ASKED: the run was a dry one.
    """

    ALL = "all"
    SOME = "some"
    NONE = "none"
    NOTHING_PROVEN = "nothing_proven"
    NOT_ASKED = "not_asked"


def proven_of(outcomes: Mapping[str, int]) -> int:
    """Return how many strategies the lab proved, whatever came of them then, from the counts by outcome."""
    later = (Outcome.PROVEN, Outcome.KEPT, Outcome.REVERTED, Outcome.FAILED)
    return sum(outcomes.get(outcome.value, 0) for outcome in later)


def on_source(outcomes: Mapping[str, int], *, is_applying: bool) -> OnSource:
    """Return how much of the proven stands on the source, from the counts of strategies by outcome."""
    if not is_applying:
        return OnSource.NOT_ASKED
    kept, proven = outcomes.get(Outcome.KEPT.value, 0), proven_of(outcomes)
    if not proven:
        return OnSource.NOTHING_PROVEN
    if kept == proven:
        return OnSource.ALL
    return OnSource.SOME if kept else OnSource.NONE


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A difference of security that no change of the run declares: a code and its effect, of which object, where."""

    code: str
    effect: str
    section: str
    path: str


@dataclass(frozen=True, slots=True)
class SecurityKept:
    """What comparing the source's security around every change found.

    `comparisons` were made; `is_preserved` is true when none of them found what no change declares. `notes` are for
    people: warnings, and looks that could not be had.
    """

    comparisons: int
    undeclared: tuple[Undeclared, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_preserved(self) -> bool:
        """True when nothing came with the changes that they do not declare."""
        return not self.undeclared


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

    Totals are ms weighted by executions, in the lab with all that was proven there: `on_source` tells how much of that
    the source has. `stages` maps a stage's name to the seconds that it took. `applied` tells whether the run was
    allowed to change the source; `fidelity` is the share of plan costs on the twin within 1 %. `lacks_rights` tells of
    a dry run that its role could not apply all that was proven; `messages` say why. `security` is None where nothing
    was about to be changed.
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
    fidelity: Mapping[str, float | int | str | None] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    lacks_rights: bool = False
    security: SecurityKept | None = None

    @property
    def outcomes(self) -> dict[str, int]:
        """How many strategies ended in each outcome."""
        return dict(Counter(life.outcome.value for life in self.lives))

    @property
    def on_source(self) -> OnSource:
        """How much of what the lab proved stands on the source."""
        return on_source(self.outcomes, is_applying=self.applied)

    @property
    def changes_standing(self) -> int:
        """How many changes of this run stand on the source."""
        return sum(len(life.applied) for life in self.lives_with(Outcome.KEPT))

    @property
    def improvement(self) -> float | None:
        """Share of the workload's time saved in the lab, None when nothing was measured."""
        return saved_share(self.before_ms, self.after_ms)

    def lives_with(self, *outcomes: Outcome) -> tuple[Life, ...]:
        """Return the lives that ended in one of these outcomes."""
        return tuple(life for life in self.lives if life.outcome in outcomes)
