"""Proposes indexes: candidates from what each query needs, the best set by `selection`, one Strategy per index.

The strategies come best first; each one's worth is what it adds to those before it. `query_ids` are the queries whose
plans use the chosen indexes; the evidence says of each index `size_bytes.NAME`, by which rule it was thought of
(`rule.NAME`) and for which queries (`thought_of_for.NAME`, ids with spaces between them).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from trimtab.db.parser import normalize
from trimtab.model.catalog import Table
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner, gather_atoms, gather_replacements
from trimtab.propose.candidate import Candidate, Origin
from trimtab.propose.candidates import candidates_for
from trimtab.propose.context import LEAST_SHARE, Context
from trimtab.propose.lookups import Lookup, lookups_of
from trimtab.propose.merge import merged, replacements
from trimtab.propose.needs import needs_of
from trimtab.propose.problem import Cap, Problem
from trimtab.propose.selection import Selection, select
from trimtab.propose.writes import Write, own_ms, write_ms, writes_of

NAME = "indexes"
_Conditions: TypeAlias = Mapping[tuple[str, str], frozenset[str]]
"""Conditions by (schema, table)."""
# Ordinary tables, partitions among them, and materialized views.
_INDEXED_KINDS = ("r", "m")
# With the objective "efficiency" an index as large as all tables together must save this share of the workload.
SIZE_RENT = 0.05
# A part that is larger than this share of the whole index is not worth its restriction.
MAX_PARTIAL_SHARE = 0.5
# Where there are more, each query keeps so many of its own.
MAX_CANDIDATES = 5000
LEAST_OF_EACH = 2


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per chosen index, or per group that is worth something only as a whole."""
    return strategies(choose(context))


def strategies(choice: Choice) -> list[Strategy]:
    """Return the strategies that make what was chosen, the best first."""
    return [_strategy(changes, gain, choice) for changes, gain in choice.selection.chosen]


@dataclass(frozen=True, slots=True)
class Choice:
    """The selection problem of a workload, the set that planner and solver agree on, and what brought each candidate.

    `own` are the candidates that were thought of for each query, and `left_out` says why what was thought of for it is
    none. `write_ms` is what each is expected to cost the writes, and `own_write_ms` what these cost without any.
    `parents` gives the workload's query that a look-up under a foreign key belongs to, and `users` are the workload's
    queries whose plan, or look-up, uses a chosen index.
    """

    problem: Problem
    planner: Planner
    selection: Selection
    candidates: Mapping[str, Candidate]
    origins: Mapping[str, Origin]
    own: Mapping[str, Sequence[str]]
    write_ms: Mapping[str, float]
    parents: Mapping[str, str]
    users: Mapping[str, Sequence[str]]
    own_write_ms: float
    left_out: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the chosen indexes, the best first."""
        return tuple(change.name for changes, _ in self.selection.chosen for change in changes)


def choose(context: Context) -> Choice:
    """Return the best set of new indexes for the workload, within the context's limits."""
    plans = _plans_now(context, context.queries)
    asked = [query for query in context.queries if query.id in plans]
    lookups = lookups_of(context.snapshot, asked, plans)
    plans |= _plans_now(context, [lookup.query for lookup in lookups])
    lookups = [lookup for lookup in lookups if lookup.query.id in plans]
    queries = [*asked, *(lookup.query for lookup in lookups)]
    parents = {lookup.query.id: lookup.parent.id for lookup in lookups}
    base_cost = {query.id: plans[query.id].cost for query in queries}
    value = _values(context, asked, lookups, base_cost)
    pool = _Pool(context, queries, plans, _rent_per_byte(context, base_cost, value))
    constant = _constant_conditions(context, queries)
    wanted = {query.id: _candidates(context, plans[query.id], constant[query.id]) for query in queries}
    wanted = _pruned(wanted, {query_id: value[query_id] * cost for query_id, cost in base_cost.items()})
    pool.add(_thought_of((parents.get(i, i), candidates) for i, candidates in wanted.items()))
    own = {i: [pool.names[one] for one in candidates if one in pool.names] for i, candidates in wanted.items()}
    problem = Problem(
        candidates=pool.changes,
        sizes=pool.sizes,
        keep_ms=pool.keep_ms,
        queries=queries,
        value=value,
        base_cost=base_cost,
        budget_bytes=context.limits.budget_bytes,
        max_per_table=_room(context),
        noise_ms=_noise(context, plans, base_cost, value),
        special=pool.special,
        barred=_barred(pool, queries, constant),
        max_regression=context.limits.max_regression,
    )
    planner = Planner(problem, context.what_if, _relevant(plans, pool.changes))
    gather_atoms(problem, planner, own)
    _widen(context, problem, pool, planner, plans, constant, parents)
    problem.caps = pool.caps()
    selection = select(problem, planner, proof_seconds=context.limits.proof_seconds, solver=context.limits.solver)
    users = {name: [parents.get(i, i) for i in query_ids] for name, query_ids in selection.users.items()}
    return Choice(
        problem=problem,
        planner=planner,
        selection=selection,
        candidates=pool.candidates,
        origins=pool.origins,
        own=own,
        write_ms=pool.write_ms,
        parents=parents,
        users=users,
        own_write_ms=sum(pool.own_write_ms().values()),
        left_out={i: why for i, candidates in wanted.items() if (why := pool.why_left_out(candidates)) is not None},
    )


class _Pool:
    """The candidates that may be made, by name: with their sizes, and what they are expected to cost."""

    def __init__(
        self, context: Context, queries: Sequence[Query], plans: Mapping[str, Plan], rent_per_byte: float
    ) -> None:
        self._context = context
        self._writing = [query for query in queries if not query.is_read]
        self._writes = writes_of(self._writing, plans)
        self._rent_per_byte = rent_per_byte
        self.names: dict[Candidate, str] = {}
        self._left_out: dict[Candidate, str] = {}
        self.candidates: dict[str, Candidate] = {}
        self.origins: dict[str, Origin] = {}
        self.changes: dict[str, CreateIndex] = {}
        self.sizes: dict[str, int] = {}
        self.write_ms: dict[str, float] = {}
        self.keep_ms: dict[str, float] = {}

    def add(self, thought_of: Mapping[Candidate, Sequence[str]]) -> None:
        """Add those that the server would make and that are not too large, with the queries they were thought of for.

        All at once, so that what a table's indexes need is looked up once.
        """
        fresh = [candidate for candidate in thought_of if candidate not in self.names]
        changes = [candidate.change(self._context.limits.name_prefix) for candidate in fresh]
        largest = min(self._context.limits.max_index_bytes, self._context.limits.budget_bytes)
        whole = self._whole_sizes([candidate for candidate in fresh if candidate.predicate])
        for candidate, change, size in zip(fresh, changes, self._context.what_if.size_bytes(changes), strict=True):
            if size is None:
                self._left_out[candidate] = "what it asks for is an index that the server would refuse"
            elif size > largest:
                self._left_out[candidate] = "what it asks for is larger than an index may be, or than the budget"
            elif size > MAX_PARTIAL_SHARE * whole.get(candidate, math.inf):
                self._left_out[candidate] = "what it asks for is a part of nearly all rows"
            if candidate in self._left_out or size is None:
                continue
            self.names[candidate] = change.name
            self.candidates[change.name] = candidate
            self.changes[change.name] = change
            self.sizes[change.name] = size
            self.write_ms[change.name] = self._write_ms(candidate)
            self.keep_ms[change.name] = self.write_ms[change.name] + self._rent_per_byte * size
        for candidate, query_ids in thought_of.items():
            if (name := self.names.get(candidate)) is not None:
                known = self.origins.get(name, Origin(self.candidates[name].rule, ()))
                self.origins[name] = Origin(known.rule, tuple(dict.fromkeys((*known.query_ids, *query_ids))))

    def why_left_out(self, candidates: Sequence[Candidate]) -> str | None:
        """Return why those of these that may not be made are left out: the reason of most of them."""
        reasons = [self._left_out[one] for one in candidates if one in self._left_out]
        return max(reasons, key=reasons.count, default=None)

    def own_write_ms(self) -> dict[str, float]:
        """Return the weighted ms of each query that writes: as measured, or without a lab by the prices of entries."""
        if self._context.baseline_ms:
            return {query.id: self._context.time_per_cost(query, 1.0) for query in self._writing}
        found = dict.fromkeys((query.id for query in self._writing), 0.0)
        for write in self._writes:
            if (table := self._context.snapshot.table(write.schema, write.table)) is not None:
                found[write.query_id] += own_ms(write, table) * self._context.units_per_ms
        return found

    def caps(self) -> list[Cap]:
        """Return the limits on sums over the chosen."""
        limits, own = self._context.limits, self.own_write_ms()
        found = []
        if limits.max_indexes is not None:
            found.append(Cap("the number of indexes", dict.fromkeys(self.changes, 1.0), limits.max_indexes))
        if limits.max_write_overhead is not None:
            most = limits.max_write_overhead * sum(own.values())
            found.append(Cap("the write overhead", self.write_ms, most))
        if limits.max_regression is not None:
            loads = self._loads()
            found += [
                Cap(f"what {query.name} may lose", loads[query.id], limits.max_regression * own[query.id])
                for query in self._writing
            ]
        return found

    def _loads(self) -> dict[str, dict[str, float]]:
        """Return the weighted ms that each candidate adds to each query that writes, by query and name."""
        on_table: dict[tuple[str, str], list[str]] = {}
        for name, candidate in self.candidates.items():
            on_table.setdefault((candidate.schema, candidate.table), []).append(name)
        found: dict[str, dict[str, float]] = {query.id: {} for query in self._writing}
        for write in self._writes:
            if (table := self._context.snapshot.table(write.schema, write.table)) is not None:
                loads = found[write.query_id]
                for name in on_table.get((write.schema, write.table), ()):
                    loads[name] = loads.get(name, 0.0) + self._price(self.candidates[name], table, [write])
        return found

    def _write_ms(self, candidate: Candidate) -> float:
        table = self._context.snapshot.table(candidate.schema, candidate.table)
        return 0.0 if table is None else self._price(candidate, table, self._writes)

    def _price(self, candidate: Candidate, table: Table, writes: Sequence[Write]) -> float:
        return write_ms(candidate, table, writes) * self._context.units_per_ms

    def _whole_sizes(self, partial: Sequence[Candidate]) -> dict[Candidate, int]:
        """Return how large the partial indexes would be over all rows."""
        whole = [replace(candidate, predicate=()).change(self._context.limits.name_prefix) for candidate in partial]
        sizes = zip(partial, self._context.what_if.size_bytes(whole), strict=True)
        return {candidate: size for candidate, size in sizes if size is not None}

    @property
    def special(self) -> frozenset[str]:
        """Those that are no plain B-trees."""
        return frozenset(name for name, candidate in self.candidates.items() if not candidate.is_plain)

    def barred(self, constant: _Conditions) -> frozenset[str]:
        """Return the partial candidates whose predicate is not among a query's constant conditions."""
        return frozenset(
            name
            for name, candidate in self.candidates.items()
            if not constant.get((candidate.schema, candidate.table), frozenset()).issuperset(candidate.predicate)
        )


def _pruned(wanted: Mapping[str, list[Candidate]], spent: Mapping[str, float]) -> dict[str, list[Candidate]]:
    """Return what is wanted without what goes beyond MAX_CANDIDATES: of light queries the less promising goes first."""
    dearest_first = sorted(wanted, key=lambda query_id: -spent[query_id])
    kept: dict[Candidate, None] = {}
    for first, last in ((0, LEAST_OF_EACH), (LEAST_OF_EACH, None)):
        for query_id in dearest_first:
            if first == 0 or len(kept) < MAX_CANDIDATES:
                kept.update(dict.fromkeys(wanted[query_id][first:last]))
    return {query_id: [one for one in candidates if one in kept] for query_id, candidates in wanted.items()}


def _thought_of(wanted: Iterable[tuple[str, Sequence[Candidate]]]) -> dict[Candidate, list[str]]:
    """Return each candidate with the ids of the queries that it was thought of for, from what each query wants."""
    found: dict[Candidate, list[str]] = {}
    for query_id, candidates in wanted:
        for candidate in candidates:
            found.setdefault(candidate, []).append(query_id)
    return found


def _barred(pool: _Pool, queries: Iterable[Query], constant: Mapping[str, _Conditions]) -> dict[str, frozenset[str]]:
    return {query.id: pool.barred(constant[query.id]) for query in queries if query.parameter_count}


def _widen(
    context: Context,
    problem: Problem,
    pool: _Pool,
    planner: Planner,
    plans: Mapping[str, Plan],
    constant: Mapping[str, _Conditions],
    parents: Mapping[str, str],
) -> None:
    """Let queries share: unions of what they like join the choice, and each plan is asked for with wider ones."""
    users: dict[str, set[str]] = {}
    for query_id, atoms in problem.atoms.items():
        for atom in atoms:
            for name in atom.indexes:
                users.setdefault(name, set()).add(query_id)
    liked = {pool.candidates[name]: frozenset(query_ids) for name, query_ids in users.items()}
    on_table: dict[tuple[str, str], list[Candidate]] = {}
    for one in liked:
        on_table.setdefault((one.schema, one.table), []).append(one)
    unions = {
        union: sorted({parents.get(i, i) for one in there if union.does_all_of(one) for i in liked[one]})
        for union in merged(liked, context.snapshot, context.limits)
        for there in (on_table[union.schema, union.table],)
    }
    pool.add(unions)
    names = {pool.candidates[name]: name for name in users}
    names |= {union: pool.names[union] for union in unions if union in pool.names}
    problem.special = pool.special
    problem.barred = _barred(pool, problem.queries, constant)
    wider = replacements(list(names))
    planner.relevant = _relevant(plans, pool.changes)
    gather_replacements(
        problem, planner, {names[one]: [names[other] for other in others] for one, others in wider.items()}
    )


def _values(
    context: Context, asked: Iterable[Query], lookups: Sequence[Lookup], base_cost: Mapping[str, float]
) -> dict[str, float]:
    """Return what a cost unit is worth, by query; a query's time is shared out to it and to its look-ups."""
    found = {}
    for query in asked:
        own = [lookup for lookup in lookups if lookup.parent.id == query.id]
        cost = base_cost[query.id] + sum(lookup.times * base_cost[lookup.query.id] for lookup in own)
        found[query.id] = context.time_per_cost(query, cost)
        found.update({lookup.query.id: lookup.times * found[query.id] for lookup in own})
    return found


def _plans_now(context: Context, queries: Sequence[Query]) -> dict[str, Plan]:
    if not queries:
        return {}
    [answers] = context.what_if.what_if(queries, [()])
    pairs = zip(queries, answers, strict=True)
    return {query.id: plan for query, plan in pairs if isinstance(plan, Plan)}


def _constant_conditions(context: Context, queries: Sequence[Query]) -> dict[str, _Conditions]:
    """Return, by query and table, the conditions with constants alone that a plan for any parameters holds."""
    [answers] = context.what_if.what_if(queries, [()], generic=True)
    found: dict[str, _Conditions] = {}
    for query, plan in zip(queries, answers, strict=True):
        known: dict[tuple[str, str], frozenset[str]] = {}
        for need in needs_of(plan) if isinstance(plan, Plan) else ():
            texts = {condition.predicate for condition in need.scan_conditions if condition.predicate}
            known[need.schema, need.table] = known.get((need.schema, need.table), frozenset()) | texts
        found[query.id] = known
    return found


def _candidates(context: Context, plan: Plan, constant: _Conditions) -> list[Candidate]:
    found: list[Candidate] = []
    for need in needs_of(plan):
        table = context.snapshot.table(need.schema, need.table)
        if table is not None and table.kind in _INDEXED_KINDS:
            found += candidates_for(
                need,
                table,
                context.limits,
                constant=constant.get((need.schema, need.table), frozenset()),
                extensions=context.snapshot.extensions,
            )
    return found


def _relevant(plans: Mapping[str, Plan], changes: Mapping[str, CreateIndex]) -> dict[str, frozenset[str]]:
    """Return, for each query, the candidates on tables that its plan reads."""
    by_table: dict[tuple[str, str], list[str]] = {}
    for name, change in changes.items():
        by_table.setdefault((change.schema, change.table), []).append(name)
    return {
        query_id: frozenset(name for table in plan.relations for name in by_table.get(table, ()))
        for query_id, plan in plans.items()
    }


def _noise(
    context: Context, plans: Mapping[str, Plan], base_cost: Mapping[str, float], value: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """Return what an index on each table must save, in ms: a share of the queries on it, and a smaller of all."""
    spent = {query_id: value[query_id] * cost for query_id, cost in base_cost.items()}
    on_table: dict[tuple[str, str], float] = {}
    for query_id, ms in spent.items():
        for table in plans[query_id].relations:
            on_table[table] = on_table.get(table, 0.0) + ms
    least_gain = context.limits.least_gain
    least = min(least_gain, LEAST_SHARE) * sum(spent.values())
    return {table: max(least_gain * ms, least) for table, ms in on_table.items()}


def _rent_per_byte(context: Context, base_cost: Mapping[str, float], value: Mapping[str, float]) -> float:
    """Return what a byte must save, in ms, when efficiency is an objective; speed alone pays no rent."""
    stored = sum(table.size_bytes for table in context.snapshot.tables if table.kind != "p")
    if not context.limits.wants_efficiency or stored <= 0:
        return 0.0
    return SIZE_RENT * sum(value[query_id] * cost for query_id, cost in base_cost.items()) / stored


def _room(context: Context) -> dict[tuple[str, str], int]:
    limit = context.limits.max_indexes_per_table
    return {(t.schema, t.name): max(limit - len(t.indexes), 0) for t in context.snapshot.tables}


def _strategy(changes: tuple[CreateIndex, ...], gain_ms: float, choice: Choice) -> Strategy:
    query_ids = tuple(dict.fromkeys(query_id for change in changes for query_id in choice.users[change.name]))
    how_many = "1 query uses it" if len(query_ids) == 1 else f"{len(query_ids)} queries use it"
    return Strategy(
        changes=changes,
        proposer=NAME,
        title="index " + " and ".join(_describe(choice.candidates[change.name]) for change in changes),
        reason=f"part of the best set that planner and solver agree on; {how_many}",
        query_ids=query_ids,
        size_bytes=sum(choice.problem.sizes[change.name] for change in changes),
        evidence={"gain_share": round(gain_ms / choice.problem.base_ms, 6), **_evidence(changes, choice)},
    )


def _evidence(changes: Iterable[CreateIndex], choice: Choice) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for change in changes:
        origin = choice.origins[change.name]
        found[f"size_bytes.{change.name}"] = choice.problem.sizes[change.name]
        found[f"rule.{change.name}"] = origin.rule
        found[f"thought_of_for.{change.name}"] = " ".join(origin.query_ids)
    return found


def _describe(candidate: Candidate) -> str:
    """Return the index for people, without literals."""
    method = "" if candidate.method == "btree" else f" by {candidate.method}"
    keys = ", ".join(key.column or _without_literals(key.expression) for key in candidate.keys)
    included = f" include ({', '.join(candidate.included)})" if candidate.included else ""
    part = f" where {_without_literals(' AND '.join(candidate.predicate))}" if candidate.predicate else ""
    return f"{candidate.table}{method} ({keys}){included}{part}"


def _without_literals(expression: str) -> str:
    return normalize(f"SELECT {expression}").removeprefix("SELECT ")
