"""Proposes indexes: candidates from what each query needs, the best set by `selection`, one Strategy per index.

The strategies come best first; each one's worth is what it adds to those before it. `query_ids` are the queries whose
plans use the chosen indexes; the evidence says of each index `size_bytes.NAME`, by which rule it was thought of
(`rule.NAME`) and for which queries (`thought_of_for.NAME`, ids with spaces between them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trimtab.db.parser import normalize
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Query
from trimtab.propose.alike import Alike
from trimtab.propose.atoms import Planner
from trimtab.propose.candidate import Candidate, Origin
from trimtab.propose.candidates import candidates_for
from trimtab.propose.context import LEAST_SHARE, Context
from trimtab.propose.effort import planning_effort
from trimtab.propose.gathering import gather_atoms
from trimtab.propose.lookups import Lookup, lookups_of
from trimtab.propose.merge import merged
from trimtab.propose.names import titled
from trimtab.propose.needs import Need, needs_of
from trimtab.propose.pool import Pool
from trimtab.propose.problem import Problem, useful
from trimtab.propose.relaxation import Relaxation
from trimtab.propose.selection import Selection, select
from trimtab.propose.solver import SOLVER_SECONDS

NAME = "indexes"
_Conditions: TypeAlias = Mapping[tuple[str, str], frozenset[str]]
"""Conditions by (schema, table)."""
# Ordinary tables, partitions among them, and materialized views.
_INDEXED_KINDS = ("r", "m")
# With the objective "efficiency" an index as large as all tables together must save this share of the workload.
SIZE_RENT = 0.05
# Where there are more, each query keeps so many of its own.
MAX_CANDIDATES = 5000
LEAST_OF_EACH = 2
# How often what would be chosen is united, at most.
MORE_UNIONS = 2


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
    spent = {query_id: value[query_id] * cost for query_id, cost in base_cost.items()}
    pool = Pool(context, queries, plans, _rent_per_byte(context, spent))
    constant = _constant_conditions(context, queries)
    shared = _shared(constant)
    needs = {query.id: needs_of(plans[query.id]) for query in queries}
    wanted = {query.id: _candidates(context, needs[query.id], constant[query.id], shared) for query in queries}
    wanted = _pruned(wanted, spent)
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
        noise_ms=_noise(context, plans, spent),
        special=pool.special,
        barred=_barred(pool, queries, constant),
        max_regression=context.limits.max_regression,
        effort={query.id: planning_effort(plans[query.id]) for query in queries},
    )
    alike = Alike(queries, plans, needs, context.snapshot.tables, pool.candidates, pool.sizes)
    planner = Planner(problem, context.what_if, _relevant(plans, pool.changes, alike), alike.distinct)
    problem.caps = pool.caps()
    # Plain ones by themselves first, where there are others: these can then only add to the choice.
    plain = {i: [name for name in names if _is_narrow(pool.candidates[name])] for i, names in own.items()}
    gather_atoms(problem, planner, plain)
    if more := {i: names for i, names in own.items() if names != plain[i]}:
        gather_atoms(problem, planner, more)

    # Unions of what would be chosen become candidates, so that queries share.
    if "include" in context.limits.kinds:
        preferred = _wanted(problem)
        for _ in range(MORE_UNIONS):
            unions = _unions(context, problem, pool, parents, preferred)
            for query_id, names in unions.items():
                own[query_id] += [name for name in names if name not in own[query_id]]
            problem.special, problem.barred = pool.special, _barred(pool, queries, constant)
            problem.caps = pool.caps()
            planner.relevant = _relevant(plans, pool.changes, alike)
            ask_beside(problem, planner, pool.candidates, unions, preferred)
            before, preferred = preferred, _wanted(problem)
            if preferred <= before:
                break
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
        left_out=_of_empty_tables(context, plans)
        | {i: why for i, candidates in wanted.items() if (why := pool.why_left_out(candidates)) is not None},
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


def _barred(pool: Pool, queries: Iterable[Query], constant: Mapping[str, _Conditions]) -> dict[str, frozenset[str]]:
    return {query.id: pool.barred(constant[query.id]) for query in queries if query.parameter_count}


def _is_narrow(candidate: Candidate) -> bool:
    """True for a B-tree over columns of all rows that holds nothing but its keys."""
    return candidate.is_plain and not candidate.included


def _wanted(problem: Problem) -> set[str]:
    """Return the candidates of which some part would be there, were parts of indexes allowed."""
    relaxed = Relaxation(problem).solved(problem.atoms, {}, seconds=SOLVER_SECONDS)
    return set() if relaxed is None else {name for name, part in relaxed.parts.items() if part > 0}


def _unions(
    context: Context, problem: Problem, pool: Pool, parents: Mapping[str, str], liked: Collection[str]
) -> dict[str, list[str]]:
    """Add unions of these to the pool, and return their names by the queries that like some of what is united."""
    users: dict[Candidate, set[str]] = {}
    for query_id, atoms in problem.atoms.items():
        for name in {name for atom in atoms for name in atom.indexes}.intersection(liked):
            users.setdefault(pool.candidates[name], set()).add(query_id)
    on_table: dict[tuple[str, str], list[Candidate]] = {}
    for one in users:
        on_table.setdefault((one.schema, one.table), []).append(one)
    served_by = {one: frozenset(query_ids) for one, query_ids in users.items()}
    unions = {
        union: sorted({i for one in on_table[union.schema, union.table] if union.does_all_of(one) for i in users[one]})
        for union in merged(served_by, context.snapshot, context.limits)
    }
    pool.add({union: list(dict.fromkeys(parents.get(i, i) for i in ids)) for union, ids in unions.items()})
    found: dict[str, list[str]] = {}
    for union, query_ids in unions.items():
        for query_id in query_ids if union in pool.names else ():
            found.setdefault(query_id, []).append(pool.names[union])
    return found


def ask_beside(
    problem: Problem,
    planner: Planner,
    candidates: Mapping[str, Candidate],
    unions: Mapping[str, Sequence[str]],
    preferred: Collection[str],
) -> None:
    """Ask what queries cost with each of their unions beside the preferred, in place of those that it unites.

    No query alone might pay for what several would share: so each is asked before anybody would.
    """
    asked = []
    for query in problem.queries:
        for name in unions.get(query.id, ()):
            others = {one for one in preferred if not candidates[name].does_all_of(candidates[one])}
            asked.append((query, frozenset({name, *others})))
    for (query, _), atom in zip(asked, planner.each(asked), strict=True):
        problem.atoms[query.id] = useful([*problem.atoms[query.id], atom])


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


def _shared(constant: Mapping[str, _Conditions]) -> _Conditions:
    """Return the conditions that several queries hold."""
    counts = Counter((table, text) for known in constant.values() for table, texts in known.items() for text in texts)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for (table, text), count in counts.items():
        if count > 1:
            found[table] = found.get(table, frozenset()) | {text}
    return found


def _candidates(context: Context, needs: Iterable[Need], constant: _Conditions, shared: _Conditions) -> list[Candidate]:
    found: list[Candidate] = []
    for need in needs:
        table = context.snapshot.table(need.schema, need.table)
        # Of an empty table that nobody analysed the planner thinks that it has ten pages.
        if table is not None and table.kind in _INDEXED_KINDS and not table.is_empty:
            found += candidates_for(
                need,
                table,
                context.limits,
                constant=constant.get((need.schema, need.table), frozenset()),
                shared=shared.get((need.schema, need.table), frozenset()),
                extensions=context.snapshot.extensions,
            )
    return found


def _of_empty_tables(context: Context, plans: Mapping[str, Plan]) -> dict[str, str]:
    """Return, for each query that reads nothing but empty tables, why no index is thought of for it."""
    empty = {(t.schema, t.name) for t in context.snapshot.tables if t.kind in _INDEXED_KINDS and t.is_empty}
    return {
        i: "the tables that it reads hold no rows"
        for i, plan in plans.items()
        if plan.relations and plan.relations <= empty
    }


def _relevant(plans: Mapping[str, Plan], changes: Mapping[str, CreateIndex], alike: Alike) -> dict[str, frozenset[str]]:
    """Return, for each query, the candidates on tables that its plan reads that it may have a use for."""
    by_table: dict[tuple[str, str], list[str]] = {}
    for name, change in changes.items():
        by_table.setdefault((change.schema, change.table), []).append(name)
    return {
        query_id: alike.useful(query_id, [name for table in plan.relations for name in by_table.get(table, ())])
        for query_id, plan in plans.items()
    }


def _noise(context: Context, plans: Mapping[str, Plan], spent: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Return what an index on each table must save, in ms: a share of the queries on it, and a smaller of all."""
    on_table: dict[tuple[str, str], float] = {}
    for query_id, ms in spent.items():
        for table in plans[query_id].relations:
            on_table[table] = on_table.get(table, 0.0) + ms
    least_gain = context.limits.least_gain
    least = min(least_gain, LEAST_SHARE) * sum(spent.values())
    return {table: max(least_gain * ms, least) for table, ms in on_table.items()}


def _rent_per_byte(context: Context, spent: Mapping[str, float]) -> float:
    """Return what a byte must save, in ms, when efficiency is an objective; speed alone pays no rent."""
    stored = sum(table.size_bytes for table in context.snapshot.tables if table.kind != "p")
    if not context.limits.wants_efficiency or stored <= 0:
        return 0.0
    return SIZE_RENT * sum(spent.values()) / stored


def _room(context: Context) -> dict[tuple[str, str], int]:
    limit = context.limits.max_indexes_per_table
    return {(t.schema, t.name): max(limit - len(t.indexes), 0) for t in context.snapshot.tables}


def _strategy(changes: tuple[CreateIndex, ...], gain_ms: float, choice: Choice) -> Strategy:
    query_ids = tuple(dict.fromkeys(query_id for change in changes for query_id in choice.users[change.name]))
    how_many = "1 query uses it" if len(query_ids) == 1 else f"{len(query_ids)} queries use it"
    return Strategy(
        changes=changes,
        proposer=NAME,
        title="index " + " and ".join(describe(choice.candidates[change.name]) for change in changes),
        reason=f"part of the best set that planner and solver agree on; {how_many}",
        query_ids=query_ids,
        size_bytes=sum(choice.problem.sizes[change.name] for change in changes),
        evidence={"gain_share": round(gain_ms / choice.problem.base_ms, 6), **_evidence(changes, choice)},
        unshown=_unshown(frozenset(change.name for change in changes), choice),
    )


def _unshown(names: frozenset[str], choice: Choice) -> dict[str, float]:
    """Return what queries with look-ups cost with these indexes alone, over what they cost now, where that is less."""
    problem = choice.problem
    now = {owner: problem.value[owner] * problem.base_cost[owner] for owner in choice.parents.values()}
    saved = dict.fromkeys(now, 0.0)
    for lookup, owner in choice.parents.items():
        cost = problem.base_cost[lookup]
        least = min((atom.cost for atom in problem.atoms[lookup] if atom.indexes <= names), default=cost)
        now[owner] += problem.value[lookup] * cost
        saved[owner] += problem.value[lookup] * max(cost - least, 0.0)
    return {owner: 1 - saved[owner] / now[owner] for owner in now if saved[owner] > 0}


def _evidence(changes: Iterable[CreateIndex], choice: Choice) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for change in changes:
        origin = choice.origins[change.name]
        found[f"size_bytes.{change.name}"] = choice.problem.sizes[change.name]
        found[f"rule.{change.name}"] = origin.rule
        found[f"thought_of_for.{change.name}"] = " ".join(origin.query_ids)
    return found


def describe(candidate: Candidate) -> str:
    """Return the index for people, without literals."""
    method = "" if candidate.method == "btree" else f" by {candidate.method}"
    keys = ", ".join(key.column or _without_literals(key.expression) for key in candidate.keys)
    included = f" include ({', '.join(candidate.included)})" if candidate.included else ""
    part = f" where {_without_literals(' AND '.join(candidate.predicate))}" if candidate.predicate else ""
    return f"{titled(candidate.schema, candidate.table)}{method} ({keys}){included}{part}"


def _without_literals(expression: str) -> str:
    return normalize(f"SELECT {expression}").removeprefix("SELECT ")
