"""Runs trials in the lab: builds a strategy's changes, measures in pairs, and keeps or undoes them.

Everything happens in one open transaction of one session, so that a lab that dies or is closed has changed nothing.
What a ruling needs is decided by `tally`; which queries are measured by `selection`. It never touches the source.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from trimtab.model.change import CreateIndex
from trimtab.model.paired import PairedTest
from trimtab.model.paired_power import smallest_paired_effect
from trimtab.model.plan import Plan
from trimtab.model.strategy import Decision, QueryTrial, Strategy, Trial
from trimtab.model.workload import Query
from trimtab.trial.arms import arm
from trimtab.trial.baseline import Baseline, take_baseline
from trimtab.trial.build import Built, build, family_of
from trimtab.trial.likeness import Lacking, first_lack, tables_of, unlike_queries
from trimtab.trial.limits import TrialLimits
from trimtab.trial.measurement import QuerySeries, Standing
from trimtab.trial.reach import writes_reaching
from trimtab.trial.rebuilding import is_rebuild, ruling_on_rebuild
from trimtab.trial.replay import guarded, plans
from trimtab.trial.rounds import PairRunner
from trimtab.trial.selection import Selected, changed_index_tables, select
from trimtab.trial.tally import Ruling, Tally

if TYPE_CHECKING:
    from trimtab.db.connection import Connection
    from trimtab.trial.lab import Lab

__all__ = ["TrialLimits", "Trials"]

_FINAL_PAIRS = 3
_LACKS_NAMED = 3
# A query called slower that is not loses us a gain, never a level: so it takes less evidence than to accept.
SLOWER_ERROR_RATE = 0.05
# The floor under a loss is for what nobody notices: no query's loss, times its executions, is that large a share.
LARGEST_UNNOTICED = 0.05


@dataclass(frozen=True, slots=True)
class _Measured:
    """A query of a trial, and why it is in it."""

    query: Query
    why: Selected


class Trials:
    """Trials of one lab, one after the other; each on top of the strategies that were accepted before it.

    `rng` throws the coins, `clock` gives seconds; `lacking` is what the lab lacks, by table: no query that reads one of
    those is measured, and no change to one is tried. Raises LabError when the lab fails; then nothing is left in it.
    """

    def __init__(
        self,
        lab: Lab,
        limits: TrialLimits,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
        *,
        lacking: Lacking = MappingProxyType({}),
    ) -> None:
        self._lab = lab
        self._lacking = lacking
        self._unlike: dict[str, str] = {}  # what the lab lacks of a query's tables, by query
        self._limits = limits
        self._rng = rng
        self._clock = clock
        self._kept: list[Strategy] = []
        self._pending: Strategy | None = None
        self._baseline = Baseline({}, {}, {})
        self._cost_so_far: dict[str, float] = {}  # of the accepted strategies, ms per execution, by query
        self._hopeless: set[tuple[str, str]] = set()  # (query id, plan shape) that reached the time limit
        lab.begin()

    @property
    def connection(self) -> Connection:
        """The lab's session, inside its open transaction."""
        return self._lab.connection

    @property
    def kept(self) -> tuple[Strategy, ...]:
        """The accepted strategies, in order."""
        return tuple(self._kept)

    @property
    def clone_dsn(self) -> str | None:
        """The DSN of the lab where it is a clone."""
        return self._lab.clone_dsn

    def describe(self) -> str:
        """Return what the lab is, without secrets."""
        return self._lab.describe()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the lab could not do as the source does."""
        if not self._lacking:
            return self._lab.notes
        first = "; ".join(list(self._lacking.values())[:_LACKS_NAMED])
        more = f", and of {len(self._lacking) - _LACKS_NAMED} more tables" if len(self._lacking) > _LACKS_NAMED else ""
        return (*self._lab.notes, f"no trial says anything of what the lab lacks: {first}{more}")

    @property
    def unlike(self) -> Mapping[str, str]:
        """What the lab lacks of the tables of a query, by query id: no trial and no total knows these queries."""
        return self._unlike

    @property
    def failures(self) -> Mapping[str, str]:
        """The queries that failed in the baseline, by id, with the SQLSTATE: no trial and no total knows them."""
        return self._baseline.failures

    def baseline(
        self, queries: Sequence[Query], runs: int = 3, *, progress: Callable[[int, int], None] | None = None
    ) -> Baseline:
        """Return times (ms) and run plans of the queries as the lab is now, after one discarded, cold run each.

        The first baseline also gives the trials their noise scale and their time limits.
        """
        if self._lacking:
            self._unlike.update(unlike_queries(queries, plans(self.connection, queries, arm(())), self._lacking))
        found = take_baseline(
            self.connection,
            [query for query in queries if self._may_run(query)],
            arm(self._kept),
            runs=runs,
            limit_ms=self._limits.statement_timeout_ms,
            clock=self._clock,
            progress=progress or (lambda _done, _total: None),
        )
        if not self._baseline.times:
            self._baseline = found
        stuck = [query for query in queries if query.id in found.times and query.id not in found.plans]
        self._note_hopeless((query.id for query in stuck), plans(self.connection, stuck, arm(self._kept)))
        return found

    def make(self, strategy: Strategy) -> Built:
        """Build the strategy's objects inside a savepoint and return seconds and bytes; `keep` or `discard` ends it.

        Raises ServerError when it cannot be built; then nothing of it is left.
        """
        if self._pending is not None:
            raise ValueError("a strategy is already being tried")
        with guarded(self.connection):
            self.connection.execute('SAVEPOINT "trimtab strategy"')
            try:
                built = build(self.connection, strategy, self._limits.build_timeout_ms, self._clock)
            except BaseException:
                self._roll_back()
                raise
        self._pending = strategy
        return built

    def keep(self, strategy: Strategy) -> None:
        """Let later trials be measured on top of the strategy."""
        self._require_pending(strategy)
        with guarded(self.connection):
            self.connection.execute('RELEASE SAVEPOINT "trimtab strategy"')
        self._pending = None
        self._kept.append(strategy)

    def discard(self, strategy: Strategy) -> None:
        """Undo what `make` built."""
        self._require_pending(strategy)
        self._pending = None
        with guarded(self.connection):
            self._roll_back()

    @contextmanager
    def made(self, strategy: Strategy) -> Iterator[Built]:
        """Hold the strategy's objects in the lab for as long as the context lasts."""
        built = self.make(strategy)
        try:
            yield built
        finally:
            if self._pending is strategy:
                self.discard(strategy)

    def trial(self, strategy: Strategy, affected: Sequence[Query], *, accept_neutral: bool = False) -> Trial:
        """Try the strategy on the queries that it may touch; the whole workload when in doubt.

        An accepted strategy stays in the lab, all others are undone. Left out are queries without values for their
        parameters, those that may run in a clone alone where the lab is none, those that failed in the baseline, and
        those whose plan is the same in both arms (except writes to a table whose indexes change, and what is watched).
        With `accept_neutral` what is shown to be not slower is accepted too, and so is what changes no plan and meets
        no write: for changes whose gain is not time. Then what cannot be run must keep its plan.
        """
        from trimtab.db.failures import ServerError

        with guarded(self.connection):
            lack = first_lack(family_of(self.connection, tables_of(strategy)), self._lacking)
        if lack is not None:
            return self._failed(f"it cannot be tried: the lab lacks {lack}")
        try:
            with guarded(self.connection):
                built = self.make(strategy)
        except ServerError as error:
            return self._failed(f"it could not be built in the lab: {error}")
        trial: Trial | None = None
        try:
            if built.unusable is not None:
                trial = self._failed(built.unusable)
            elif is_rebuild(strategy):
                trial = self._rebuilt(strategy, affected, built)
            else:
                trial = self._measure(strategy, affected, built, accept_neutral=accept_neutral)
        except ServerError as error:
            trial = self._failed(f"it could not be set up in the lab: {error}")
        finally:
            is_accepted = trial is not None and trial.decision is Decision.ACCEPTED
            # What was built anew is as it was: nothing of it is needed to measure others on top.
            self._end(strategy, is_accepted=is_accepted and not is_rebuild(strategy))
        if trial.decision is Decision.ACCEPTED:
            for one in trial.queries:
                self._cost_so_far[one.query_id] = (
                    self._cost_so_far.get(one.query_id, 0.0) + one.after_ms - one.before_ms
                )
        return trial

    def final(self, queries: Sequence[Query], pairs: int = _FINAL_PAIRS) -> tuple[QueryTrial, ...]:
        """Return the whole workload, before against after all accepted strategies, in interleaved pairs.

        Queries that none of them touches have their time of the baseline in both arms, and no pairs. Left out are
        queries that cannot be run here. It ends early, with at least one pair each, after `max_seconds`.
        """
        before_arm, after_arm = arm((), self._kept), arm(self._kept)
        runnable = [query for query in queries if self._can_run(query)]
        before, after = plans(self.connection, runnable, before_arm), plans(self.connection, runnable, after_arm)
        touched: dict[str, bool] = {}
        for strategy in self._kept:
            for one in self._touched(strategy, runnable, before, after):
                touched[one.query.id] = one.why.plan_changed
        measured = [query for query in runnable if query.id in touched or query.id not in self._baseline.times]
        runner = PairRunner(
            self.connection, before_arm, after_arm, self._limit_ms, self._rng, self._known_hopeless(before)
        )
        floor_ms = self._limits.slowdown_floor_ms
        series = {q.id: self._series(q, plan_changed=touched.get(q.id, False), floor_ms=floor_ms) for q in measured}
        deadline = self._clock() + self._limits.max_seconds
        for number in range(pairs):
            if number > 0 and self._clock() >= deadline:
                break
            for query_id, pair in runner.round(measured).items():
                series[query_id] = series[query_id].observe(*pair)
        return tuple(
            series[query.id].as_trial() if query.id in series else self._untouched(query) for query in runnable
        )

    def _measure(self, strategy: Strategy, affected: Sequence[Query], built: Built, *, accept_neutral: bool) -> Trial:
        before_arm, after_arm = arm(self._kept, (strategy,)), arm((*self._kept, strategy))
        runnable = [query for query in affected if self._can_run(query)]
        planned = affected if accept_neutral else runnable
        before, after = plans(self.connection, planned, before_arm), plans(self.connection, planned, after_arm)
        if accept_neutral and (doubt := self._doubt(strategy, affected, before, after)) is not None:
            return self._failed(doubt)
        measured = self._touched(strategy, runnable, before, after)
        if not measured or _can_only_cost(strategy, measured):
            return self._without_measuring(built, accept_neutral=accept_neutral)
        known = self._baseline.median_ms
        noticed_ms = LARGEST_UNNOTICED * sum(m.query.weight * known.get(m.query.id, 0.0) for m in measured)
        is_counted = {m.query.id: not m.why.is_watched for m in measured}
        if not any(is_counted.values()):
            # Nothing shows what the change touches: then what it may touch is all there is to tell.
            is_counted = dict.fromkeys(is_counted, True)
        series = [
            self._series(
                m.query,
                plan_changed=m.why.plan_changed,
                floor_ms=min(self._limits.slowdown_floor_ms, noticed_ms / (m.query.weight or 1.0)),
                carried_ms=self._carried_ms(m.query.id),
                is_watched=not is_counted[m.query.id],
            )
            for m in measured
        ]
        weights = {m.query.id: m.query.weight for m in measured if is_counted[m.query.id]}
        tally = Tally.start(series, self._limits, self._baseline.total_scale(weights))
        queries = [m.query for m in measured]
        hopeless = self._known_hopeless(before)
        runner = PairRunner(self.connection, before_arm, after_arm, self._limit_ms, self._rng, hopeless)
        tally, ruling = self._rounds(tally, runner, queries, accept_neutral=accept_neutral)
        self._note_hopeless(runner.timed_out_before, before)
        left_out = len(affected) - len(measured)
        reason = f"{ruling.reason}; {left_out} queries keep their plan" if left_out else ruling.reason
        return self._trial(tally, Ruling(ruling.decision, reason), built)

    def _rounds(
        self, tally: Tally, runner: PairRunner, queries: Sequence[Query], *, accept_neutral: bool
    ) -> tuple[Tally, Ruling]:
        deadline = self._clock() + self._limits.max_seconds
        tally = tally.check(runner.round(queries))
        remaining = self._limits.max_pairs
        ruling = tally.ruling(remaining, accept_neutral=accept_neutral)
        while ruling is None:
            tally = tally.observe(runner.round([query for query in queries if query.id in tally.due]))
            remaining = 0 if self._clock() >= deadline else remaining - 1
            ruling = tally.ruling(remaining, accept_neutral=accept_neutral)
        return tally, ruling

    def _touched(
        self, strategy: Strategy, queries: Sequence[Query], before: Mapping[str, Plan], after: Mapping[str, Plan]
    ) -> list[_Measured]:
        with guarded(self.connection):
            names = family_of(self.connection, changed_index_tables(strategy))
            reaching = writes_reaching(self.connection, names)
        found = []
        for query in queries:
            why = select(
                strategy,
                query.is_read,
                before.get(query.id),
                after.get(query.id),
                names,
                self._baseline.plans.get(query.id),
                hides_work=query.hides_work,
                is_unshown=query.id in strategy.unshown,
                reaching=reaching,
            )
            if why is not None:
                found.append(_Measured(query, why))
        return found

    def _untouched(self, query: Query) -> QueryTrial:
        level = median(self._baseline.times[query.id])
        timed_out = 0 if query.id in self._baseline.plans else 1
        return QueryTrial(query.id, level, level, 0, False, Standing.NOT_WORSE.value, timed_out)

    def _known_hopeless(self, found: Mapping[str, Plan]) -> set[str]:
        return {query_id for query_id, plan in found.items() if (query_id, plan.shape_hash) in self._hopeless}

    def _note_hopeless(self, query_ids: Iterable[str], found: Mapping[str, Plan]) -> None:
        self._hopeless.update((query_id, found[query_id].shape_hash) for query_id in query_ids if query_id in found)

    def _can_run(self, query: Query) -> bool:
        return self._may_run(query) and query.id not in self._baseline.failures

    def _may_run(self, query: Query) -> bool:
        return (
            query.is_runnable
            and query.id not in self._unlike
            and (not query.clone_only or self._lab.clone_dsn is not None)
        )

    def _limit_ms(self, query: Query) -> int:
        return self._baseline.limit_ms(query.id, self._limits.statement_timeout_ms)

    def _carried_ms(self, query_id: str) -> float:
        return max(self._cost_so_far.get(query_id, 0.0), 0.0)

    def _series(
        self,
        query: Query,
        *,
        plan_changed: bool,
        floor_ms: float,
        carried_ms: float = 0.0,
        is_watched: bool = False,
    ) -> QuerySeries:
        slower = PairedTest(SLOWER_ERROR_RATE, self._baseline.scale(query.id), self._limits.slowdown_margin)
        return QuerySeries(query.id, query.weight, plan_changed, slower, floor_ms, carried_ms, is_watched=is_watched)

    def _without_measuring(self, built: Built, *, accept_neutral: bool) -> Trial:
        tally = Tally.start((), self._limits, self._baseline.total_scale({}))
        if accept_neutral:
            freed = f"; frees {-built.size_bytes} bytes" if built.size_bytes < 0 else ""
            return self._trial(tally, Ruling(Decision.ACCEPTED, f"no plan changes{freed}"), built)
        return self._trial(tally, Ruling(Decision.NO_GAIN, "no plan uses it"), built)

    def _rebuilt(self, strategy: Strategy, affected: Sequence[Query], built: Built) -> Trial:
        """Both arms see the same index: the queries on its table are named, to be measured on the source."""
        trial = self._trial(
            Tally.start((), self._limits, self._baseline.total_scale({})),
            ruling_on_rebuild(strategy, -built.size_bytes, self._limits),
            built,
        )
        known = [query for query in affected if query.id in self._baseline.times]
        found = plans(self.connection, known, arm(self._kept))
        family = family_of(self.connection, tables_of(strategy))
        reading = [query for query in known if query.id in found and found[query.id].relations & family]
        return replace(trial, queries=tuple(self._untouched(query) for query in reading))

    def _doubt(
        self, strategy: Strategy, queries: Sequence[Query], before: Mapping[str, Plan], after: Mapping[str, Plan]
    ) -> str | None:
        """Return why plans cannot show that the strategy does no harm: one is unknown, or none is on its tables."""
        same = {id_ for id_ in before.keys() & after.keys() if before[id_].shape_hash == after[id_].shape_hash}
        unknown = [query.id for query in queries if query.id not in same and not self._can_run(query)]
        if unknown:
            return f"query {unknown[0]} may depend on what is changed, and cannot be run in the lab"
        with guarded(self.connection):
            family = family_of(self.connection, tables_of(strategy))
        if not any(plan.relations & family for plan in before.values()) and not any(q.hides_work for q in queries):
            return "no query of the workload is on its table: nothing shows what it does"
        return None

    def _failed(self, reason: str) -> Trial:
        tally = Tally.start((), self._limits, self._baseline.total_scale({}))
        return self._trial(tally, Ruling(Decision.FAILED, reason), Built(0.0, 0))

    def _trial(self, tally: Tally, ruling: Ruling, built: Built) -> Trial:
        return Trial(
            before_ms=tally.before_ms,
            after_ms=tally.after_ms,
            pairs=tally.gain.pairs,
            error_rate=self._limits.error_rate,
            margin=self._limits.margin,
            e_value=tally.peak,
            decision=ruling.decision,
            reason=ruling.reason,
            queries=tuple(one.as_trial() for one in tally.series),
            size_bytes=built.size_bytes,
            build_seconds=built.seconds,
            smallest_effect=smallest_paired_effect(tally.gain),
            rounds=tally.rounds,
            scale=tally.gain.scale,
        )

    def _end(self, strategy: Strategy, *, is_accepted: bool) -> None:
        if is_accepted:
            self.keep(strategy)
        elif not self.connection.closed:
            self.discard(strategy)
        else:
            self._pending = None

    def _roll_back(self) -> None:
        if not self.connection.closed:
            self.connection.execute('ROLLBACK TO SAVEPOINT "trimtab strategy"')
            self.connection.execute('RELEASE SAVEPOINT "trimtab strategy"')

    def _require_pending(self, strategy: Strategy) -> None:
        if self._pending is not strategy:
            raise ValueError("this strategy is not being tried")


def _can_only_cost(strategy: Strategy, measured: Sequence[_Measured]) -> bool:
    """Return whether nothing but writes meets the strategy's new indexes: then there is nothing to gain."""
    is_index = all(isinstance(change, CreateIndex) for change in strategy.changes)
    return is_index and not any(one.why.plan_changed or one.query.id in strategy.unshown for one in measured)
