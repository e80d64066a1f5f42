"""What a run works with: the source (read-only), the ledger, the specification, the twin and the lab, opened in order.

Everything that is opened here is closed with the run, whatever happens.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trimtab.db.connection import Connection
from trimtab.embedded.binaries import Binaries
from trimtab.errors import RefusedError
from trimtab.lifecycle.journal import Journal
from trimtab.lifecycle.request import Request
from trimtab.model.catalog import Snapshot
from trimtab.model.index_wishes import KINDS, METHODS
from trimtab.model.watch import Watcher
from trimtab.propose.context import Limits

if TYPE_CHECKING:
    from trimtab.ledger.ledger import Ledger
    from trimtab.spec.specification import Specification
    from trimtab.trial.run import Trials
    from trimtab.twin.twin import Twin

READ_TIMEOUT_MS, LOCK_TIMEOUT_MS = 60_000, 10_000
_DRAWS = 3


@dataclass(frozen=True, slots=True)
class Workshop:
    """A run's open resources."""

    run_id: str
    request: Request
    watcher: Watcher
    source: Connection
    ledger: Ledger
    journal: Journal
    specification: Specification
    stack: ExitStack
    standbys: Mapping[str, Connection]

    def observe(self) -> Snapshot:
        """Return what the source is and runs now. Raises SourceError `source.locked` where a table stays locked."""
        from trimtab.observe.locked import require_unlocked
        from trimtab.observe.snapshot import take_snapshot

        self.watcher.progress("looking for locked tables", 0, 1)
        require_unlocked(self.source)
        snapshot = take_snapshot(
            self.source,
            self.request.workload,
            seed=self.request.seed,
            draws=_DRAWS,
            progress=lambda done, total, what: self.watcher.progress(what, done, total),
        )
        return self._with_usage(snapshot)

    def build_twin(self, snapshot: Snapshot) -> Twin:
        """Return the statistics twin of the source."""
        from trimtab.twin.twin import Twin

        twin = Twin.build(
            self.request.conninfo,
            snapshot,
            self._programs(),
            progress=lambda done, total, what: self.watcher.progress(what, done, total),
        )
        return self.stack.enter_context(twin)

    def open_lab(self, snapshot: Snapshot) -> Trials | None:
        """Return the lab, ready for trials, or None when the request wants none."""
        from trimtab.trial.lab import open_clone_lab, open_dsn_lab
        from trimtab.trial.likeness import lacking
        from trimtab.trial.run import TrialLimits, Trials

        if self.request.lab == "none":
            return None
        limits = self.specification.trial
        if self.request.lab == "clone":
            lab = open_clone_lab(
                self.request.conninfo,
                snapshot,
                self._programs(),
                max_size_bytes=limits.max_clone_bytes,
                progress=lambda done, total, what: self.watcher.progress(what, done, total),
            )
        else:
            lab = open_dsn_lab(self.request.lab, snapshot)
        self.stack.enter_context(lab)
        coins = random.Random(self.request.seed)  # noqa: S311 - coins, not secrets
        rebuilds = self.specification.rebuilds
        limits_of_trials = replace(
            TrialLimits.of(limits),
            min_freed_bytes=rebuilds.min_excess_bytes,
            min_freed_percent=rebuilds.min_excess_percent,
        )
        return Trials(lab, limits_of_trials, coins, lacking=lacking(self.source, lab.connection))

    def _programs(self) -> Binaries:
        """Of the source's own version where this machine has them: its planner gives the source's plans."""
        return Binaries.for_major(self.source.info.server_version // 10000, self.request.pg_bin)

    def let_sample(self, twin: Twin, trials: Trials | None) -> None:
        """Let hypothetical indexes rest on samples of the rows: the clone's where there is one, else the source's."""
        clone = None if trials is None else trials.clone_dsn
        twin.sample_from(clone or self.request.conninfo)

    def look_again(self) -> Callable[[], Snapshot]:
        """Return a function that reads the source's facts afresh; its snapshots hold no workload."""
        from trimtab.model.workload import Workload
        from trimtab.observe.snapshot import read_facts

        return lambda: self._with_usage(read_facts(self.source, Workload((), "none")))

    def _with_usage(self, snapshot: Snapshot) -> Snapshot:
        from trimtab.lifecycle.usage import with_usage

        return with_usage(snapshot, self.ledger, self.source, self.standbys)

    def proposal_limits(self) -> Limits:
        """Return what proposals must stay inside."""
        spec = self.specification
        return Limits(
            max_key_columns=spec.indexes.max_key_columns,
            max_include_columns=spec.indexes.max_include_columns,
            max_index_bytes=spec.indexes.max_size_bytes,
            budget_bytes=spec.indexes.max_total_size_bytes,
            max_indexes_per_table=spec.indexes.max_per_table,
            name_prefix=spec.indexes.name_prefix,
            settings_max=spec.settings.largest_values(),
            wants_efficiency="efficiency" in self.request.objectives,
            kinds=KINDS - (METHODS - {*spec.indexes.allowed_methods}),
            min_unused_days=spec.drops.min_unused_days,
            max_rebuild_bytes=spec.rebuilds.max_size_bytes if spec.rebuilds.allow else 0,
            min_excess_bytes=spec.rebuilds.min_excess_bytes,
            min_excess_share=spec.rebuilds.min_excess_percent / 100,
        )


def open_workshop(request: Request, watcher: Watcher, stack: ExitStack) -> Workshop:
    """Open the ledger, the specification and the source, and hold the database against a second run."""
    from trimtab.db.locks import DEAD_SESSION_SECONDS, hold_database
    from trimtab.db.role import APPLYING, READING, reading
    from trimtab.ledger.ledger import Ledger
    from trimtab.lifecycle.governing import governing
    from trimtab.lifecycle.usage import open_standbys
    from trimtab.spec.narrow import narrowed

    specification = governing(request.spec, request.ledger_path)
    if request.budget_bytes is not None:
        specification = narrowed(specification, budget_bytes=request.budget_bytes)
    if request.apply and request.lab == "none" and specification.trial.required:
        raise RefusedError(
            "--apply with --lab none was refused: the specification requires a trial of every change",
            code="trial.required",
            next_step="Use --lab clone, or --lab DSN with a database that may be used for trials.",
        )
    ledger = stack.enter_context(closing(Ledger.open(request.ledger_path)))
    opened = reading(
        request.conninfo,
        work=APPLYING if request.apply else READING,
        statement_timeout_ms=READ_TIMEOUT_MS,
        lock_timeout_ms=LOCK_TIMEOUT_MS,
    )
    source = stack.enter_context(closing(opened))
    stack.enter_context(hold_database(source, wait_seconds=DEAD_SESSION_SECONDS if request.apply else 0.0))
    standbys = open_standbys(request, source, stack)
    run_id = "r-" + uuid.uuid4().hex[:10]
    return Workshop(run_id, request, watcher, source, ledger, Journal(ledger, run_id), specification, stack, standbys)
