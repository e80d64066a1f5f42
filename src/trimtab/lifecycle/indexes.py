"""What `trimtab indexes` does: the best set of indexes for a workload, proven, explained and tried; nothing is applied.

The stages are those of the lifecycle up to the trial, for indexes alone, and the ledger holds them as it holds any run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from trimtab.lifecycle.examine import Examination
from trimtab.lifecycle.index_limits import index_limits
from trimtab.lifecycle.journal import opening
from trimtab.lifecycle.kept_advice import keep_advice
from trimtab.lifecycle.left_out import with_left_out
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.stages import Stage
from trimtab.lifecycle.usage import unseen
from trimtab.lifecycle.workshop import Workshop, open_workshop
from trimtab.model.catalog import Snapshot
from trimtab.model.change import CreateIndex
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome
from trimtab.model.watch import Watcher
from trimtab.model.workload import Workload
from trimtab.propose import drops, merges, rebuilds
from trimtab.propose.context import Context, Limits
from trimtab.propose.frontier import Point, frontier
from trimtab.propose.health import Bloated, Health, bloated_of, health_of
from trimtab.propose.indexes import Choice, choose, strategies
from trimtab.propose.proof import gap_between
from trimtab.propose.selection import Truth
from trimtab.propose.solvers import Attempt
from trimtab.propose.worth import Lack, Worth, lacks, worths
from trimtab.validate.definition import shape_of_index, shape_of_tail

# How long a proof may take that nobody limited.
PROOF_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ChosenIndex:
    """A chosen index: its kinds, the rule that thought of it, its estimated size, what it is worth and costs.

    `write_cost` is in the advice's unit. `replaces` are indexes that are needless beside it, as (schema, name).
    `life` is the way of its strategy, which may hold other indexes that are worth something only with it.
    """

    change: CreateIndex
    kinds: tuple[str, ...]
    rule: str
    size_bytes: int
    write_cost: float
    worth: Worth
    replaces: tuple[tuple[str, str], ...]
    life: Life


@dataclass(frozen=True, slots=True)
class Advice:
    """The best set of indexes for a workload.

    Costs are weighted by executions: in `unit`, ms as the model expects them or the planner's cost units where nothing
    was measured. No set of the candidates has an `objective` (cost and price) below `lower_bound`; None where no proof
    was asked for. `stand_ins` names the changes of `Worth.stand_ins`. `limits` are those that were in force, and
    `own_write_ms` is what the workload's writes cost without the indexes, as far as that is known; `fidelity` how near
    the twin's plans are to the source's.
    """

    run_id: str
    database: str
    workload: Workload
    indexes: tuple[ChosenIndex, ...]
    drops: tuple[Life, ...]
    merges: tuple[Life, ...]
    rebuilds: tuple[Life, ...]
    bloated: tuple[Bloated, ...]
    lacking: tuple[Lack, ...]
    frontier: tuple[Point, ...]
    health: Health
    cost_before: float
    cost_after: float
    objective: float
    lower_bound: float | None
    attempts: tuple[Attempt, ...]
    unit: str
    candidates: Mapping[str, CreateIndex]
    planner_calls: int
    seconds: float
    lab: str
    problems: tuple[str, ...]
    limits: Limits
    own_write_ms: float
    fidelity: Mapping[str, float | int | str | None]

    @property
    def proven(self) -> tuple[ChosenIndex, ...]:
        """Those of the chosen that the lab proved."""
        return tuple(index for index in self.indexes if index.life.outcome is Outcome.PROVEN)

    @property
    def write_overhead(self) -> float | None:
        """What the chosen indexes add to the writes, as a share of their own time; None where nothing writes."""
        return sum(index.write_cost for index in self.indexes) / self.own_write_ms if self.own_write_ms > 0 else None

    @property
    def gap(self) -> float | None:
        """How much less the best set could cost, as a share of the objective; None without a proof."""
        return None if self.lower_bound is None else gap_between(self.lower_bound, self.objective)

    @property
    def size_bytes(self) -> int:
        """The estimated size of the chosen indexes together."""
        return sum(index.size_bytes for index in self.indexes)


def advise(request: Request, watcher: Watcher) -> Advice:
    """Return the best set of indexes for the source's workload, within the specification and the request's wishes.

    It is kept beside the ledger for whoever looks later. Raises TrimtabError; UsageError `usage.must_keep` and
    `usage.must_not` for a name that nothing has.
    """
    with ExitStack() as stack:
        workshop = open_workshop(request, watcher, stack)
        workshop.journal.started(opening(workshop.specification, request, workshop.look_again()()))
        try:
            advice = _advise(workshop)
        except BaseException as error:
            workshop.journal.broke_off(error)
            raise
    keep_advice(request.ledger_path, advice, time.time_ns())
    return advice


def _advise(workshop: Workshop) -> Advice:
    started = time.monotonic()
    watcher = workshop.watcher
    watcher.stage(Stage.OBSERVE, "")
    snapshot = workshop.observe()
    limits = index_limits(workshop, snapshot, proof_seconds=PROOF_SECONDS, foresees_refusals=True)
    twin = workshop.build_twin(snapshot)
    trials = workshop.open_lab(snapshot)
    workshop.let_sample(twin, trials)
    examination = Examination(workshop, snapshot, twin, trials)
    examination.take_baseline(snapshot.workload.queries)
    workload = snapshot.workload
    watcher.stage(
        Stage.OBSERVE,
        f"{len(workload.queries)} queries, {len(workload.skipped)} skipped; {len(snapshot.tables)} tables",
    )
    watcher.stage(Stage.PROPOSE, "")
    context = Context(
        snapshot=snapshot,
        what_if=twin,
        limits=limits,
        plans=examination.plans,
        baseline_ms=examination.baseline_ms,
    )
    watcher.progress("choosing", 0, 3)
    choice = choose(context)
    watcher.progress("explaining", 1, 3)
    truth = Truth(choice.problem, choice.planner)
    owners = _owners(choice, snapshot)
    known = {worth.name: worth for worth in worths(choice.problem, truth, choice.names, owners)}
    watcher.progress("drawing the frontier", 2, 3)
    points = frontier(choice.problem, truth, choice.names)
    made = strategies(choice)
    dropped, merged, rebuilt = (each.propose(context) for each in (drops, merges, rebuilds))
    bloated = bloated_of(snapshot, twin)
    watcher.stage(
        Stage.PROPOSE,
        f"{len(choice.names)} indexes of {len(choice.candidates)} candidates, {len(dropped)} drops, "
        f"{len(merged)} merges, {len(rebuilt)} rebuilds; {twin.planner_calls:,} planner calls",
    )
    watcher.stage(Stage.TRIAL, "")
    lives, tidying, merging, rebuilding = (
        [examination.examine(strategy) for strategy in some] for some in (made, dropped, merged, rebuilt)
    )
    counts = Counter(life.outcome.value for life in [*lives, *tidying, *merging, *rebuilding])
    watcher.stage(Stage.TRIAL, ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(counts.items())))
    workshop.journal.finished({"outcomes": dict(counts)})
    selection = choice.selection
    return Advice(
        run_id=workshop.run_id,
        database=snapshot.server.database,
        workload=with_left_out(workload, trials, is_applying=False),
        indexes=tuple(_chosen(choice, snapshot, known, lives)),
        drops=tuple(tidying),
        merges=tuple(merging),
        rebuilds=tuple(rebuilding),
        bloated=tuple(bloated),
        lacking=tuple(lacks(choice.problem, truth, choice.names, _own(choice, snapshot), choice.left_out, owners)),
        frontier=tuple(points),
        health=health_of(snapshot, dropped, bloated, saved=1 - selection.cost_after / (selection.cost_before or 1.0)),
        cost_before=selection.cost_before,
        cost_after=selection.cost_after,
        objective=selection.objective,
        lower_bound=selection.lower_bound,
        attempts=selection.attempts,
        unit="ms" if examination.baseline_ms else "cost",
        candidates=choice.problem.candidates,
        planner_calls=twin.planner_calls,
        seconds=round(time.monotonic() - started, 3),
        lab="none" if trials is None else trials.describe(),
        problems=(
            *twin.problems,
            *(trials.notes if trials is not None else ()),
            *unseen(snapshot),
            *without_statistics(snapshot, choice.problem.candidates.values()),
        ),
        limits=limits,
        own_write_ms=choice.own_write_ms,
        fidelity=twin.fidelity(workshop.source, workload.queries).summary(),
    )


def without_statistics(snapshot: Snapshot, changes: Iterable[CreateIndex]) -> tuple[str, ...]:
    """Say which of the tables of these indexes hold rows that nobody analysed: the planner guesses there."""
    named = {(change.schema, change.table) for change in changes}
    return tuple(
        f"{table.schema}.{table.name} has no statistics: what is said of it is the planner's guess until ANALYZE ran"
        for table in snapshot.tables
        if (table.schema, table.name) in named
        and table.is_readable
        and not table.is_empty
        and all(column.average_width is None for column in table.columns)
    )


def _owners(choice: Choice, snapshot: Snapshot) -> dict[str, str]:
    """Return the query that each draw of a statement's values, and each look-up, is told by: the first such draw."""
    first: dict[str, str] = {}
    owners = {query.id: first.setdefault(query.statement_id, query.id) for query in snapshot.workload.queries}
    return owners | {query_id: owners[parent] for query_id, parent in choice.parents.items()}


def _own(choice: Choice, snapshot: Snapshot) -> dict[str, Sequence[str]]:
    """Return the candidates of each of the workload's queries; its look-ups are none of these."""
    return {query.id: choice.own[query.id] for query in snapshot.workload.queries if query.id in choice.own}


def _chosen(choice: Choice, snapshot: Snapshot, known: Mapping[str, Worth], lives: Sequence[Life]) -> list[ChosenIndex]:
    return [
        ChosenIndex(
            change=change,
            kinds=tuple(sorted(choice.candidates[change.name].kinds)),
            rule=choice.origins[change.name].rule,
            size_bytes=choice.problem.sizes[change.name],
            write_cost=choice.write_ms[change.name],
            worth=known[change.name],
            replaces=tuple(_replaced(change, snapshot)),
            life=life,
        )
        for life in lives
        for change in life.strategy.changes
        if isinstance(change, CreateIndex)
    ]


def _replaced(change: CreateIndex, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    table, new = snapshot.table(change.schema, change.table), shape_of_tail(change.tail)
    if table is None or new is None:
        return
    for index in table.indexes:
        if drops.may_go(index) and new.covers(shape_of_index(index)):
            yield index.schema, index.name
