"""Tries a lease's query without its lock in the lab: does the planner do as well alone? Touches no row of the source.

The lab is a clone with all rows and statistics of its own. What can be taken back there is measured in pairs, with a
bounded error; restored statistics cannot, and there the plan alone decides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trimtab.anchor.holding import shape_under_names
from trimtab.anchor.lease import Lease
from trimtab.db.explain import explain
from trimtab.db.role import APPLYING, reading
from trimtab.embedded.binaries import Binaries
from trimtab.lifecycle.locking import PROPOSER, Tried, TryWithout
from trimtab.lifecycle.workshop import READ_TIMEOUT_MS
from trimtab.model.applied import Applied
from trimtab.model.change import RestoreStatistics, SetSetting
from trimtab.model.plan import Plan
from trimtab.model.strategy import Decision, Strategy
from trimtab.model.watch import Silent, Watcher
from trimtab.model.workload import Query, Workload
from trimtab.observe.parents import read_parents
from trimtab.observe.snapshot import read_facts
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification
from trimtab.trial.arms import arm
from trimtab.trial.lab import open_clone_lab
from trimtab.trial.likeness import lacking
from trimtab.trial.replay import plans
from trimtab.trial.run import TrialLimits, Trials


@contextmanager
def trying_in_lab(
    conninfo: str,
    *,
    specification: Specification | None = None,
    pg_bin: Path | None = None,
    seed: int = 1,
    watcher: Watcher | None = None,
) -> Iterator[TryWithout]:
    """Clone the source and yield what tries leases there, one after another. Raises SourceError, LabError.

    `seed` decides the coins of the pairs.
    """
    limits = (specification or load_spec()).trial
    told = watcher or Silent()
    with closing(reading(conninfo, work=APPLYING, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        snapshot = read_facts(source, Workload((), "none"))
        lab = open_clone_lab(
            conninfo,
            snapshot,
            Binaries.for_major(snapshot.server.major, pg_bin),
            max_size_bytes=limits.max_clone_bytes,
            progress=lambda done, total, what: told.progress(what, done, total),
        )
        with lab:
            coins = random.Random(seed)  # noqa: S311 - coins, not secrets
            trials = Trials(lab, TrialLimits.of(limits), coins, lacking=lacking(source, lab.connection))
            yield _Lab(trials).try_without


@dataclass(frozen=True, slots=True)
class _Lab:
    trials: Trials

    def try_without(self, lease: Lease, query: Query, applied: tuple[Applied, ...]) -> Tried:
        """Return how the query does without these changes."""
        if any(isinstance(each.change, RestoreStatistics) for each in applied):
            return self._by_plan(lease, query)
        # A lock for a role is not in force in the lab's own session: there it is set first, in both arms.
        settings = tuple(each.change for each in applied if isinstance(each.change, SetSetting))
        if settings:
            held = Strategy(settings, PROPOSER, "the lock", "it is in force", (query.id,))
            self.trials.make(held)
            self.trials.keep(held)
        self.trials.baseline([query])
        inverses = tuple(each.inverse for each in reversed(applied))
        without = Strategy(inverses, PROPOSER, f"Without {lease.id}", "the planner may do as well alone", (query.id,))
        alone = plans(self.trials.connection, [query], arm((*self.trials.kept, without))).get(query.id)
        if alone is not None and self._shape(lease, alone) == lease.expected.plan_shape:
            return Tried(True, "without the lock, in the lab: the anchored plan is chosen")
        trial = self.trials.trial(without, [query], accept_neutral=True)
        if trial.decision is Decision.FAILED:
            return Tried(None, f"it could not be tried without the lock: {trial.reason}")
        return Tried(trial.decision is Decision.ACCEPTED, f"without the lock, in the lab: {trial.reason}")

    def _by_plan(self, lease: Lease, query: Query) -> Tried:
        """The clone has statistics of its own, made by ANALYZE of now: its plan is the one without the lock."""
        is_generic = lease.expected.mode == "generic" if query.parameter_count else None
        plan = explain(self.trials.connection, query, generic=is_generic)
        is_as_good = self._shape(lease, plan) == lease.expected.plan_shape
        found = "the anchored plan is chosen" if is_as_good else "another plan is chosen"
        return Tried(is_as_good, f"with statistics of now, in the lab: {found}")

    def _shape(self, lease: Lease, plan: Plan) -> str:
        return shape_under_names(plan, lease.expected.index_names or {}, read_parents(self.trials.connection))
