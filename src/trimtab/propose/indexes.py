"""Proposes indexes: candidates from what each query needs, the best set by `selection`, one Strategy per index.

The strategies come best first; each one's worth is what it adds to those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner, gather_atoms, gather_replacements
from trimtab.propose.candidates import Candidate, candidates_for
from trimtab.propose.context import Context
from trimtab.propose.merge import merged, replacements
from trimtab.propose.needs import needs_of
from trimtab.propose.problem import Problem
from trimtab.propose.selection import Selection, select

NAME = "indexes"
# Ordinary tables, partitions among them, and materialized views.
_INDEXED_KINDS = ("r", "m")
# What one index entry adds to a row's insert or update, in ms: a rough prior; the trial measures.
ENTRY_MS = 0.004
# With the objective "efficiency" an index as large as all tables together must save this share of the workload.
SIZE_RENT = 0.05


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per chosen index, or per group that is worth something only as a whole."""
    problem, selection = choose(context)
    return [
        _strategy(changes, gain / problem.base_ms, {c.name: problem.sizes[c.name] for c in changes}, selection.users)
        for changes, gain in selection.chosen
    ]


def choose(context: Context) -> tuple[Problem, Selection]:
    """Return the selection problem of the workload, and the set that planner and solver agree on."""
    plans = _plans_now(context)
    queries = [query for query in context.queries if query.id in plans]
    base_cost = {query.id: plans[query.id].cost for query in queries}
    value = {query.id: context.time_per_cost(query, base_cost[query.id]) for query in queries}
    pool = _Pool(context, queries, plans, _rent_per_byte(context, base_cost, value))
    own = {query.id: pool.add(_candidates(context, plans[query.id])) for query in queries}
    problem = Problem(
        candidates=pool.changes,
        sizes=pool.sizes,
        keep_ms=pool.keep_ms,
        queries=queries,
        value=value,
        base_cost=base_cost,
        budget_bytes=context.limits.budget_bytes,
        max_per_table=_room(context),
        least_gain=context.limits.least_gain,
    )
    planner = Planner(problem, context.what_if, _relevant(plans, pool.changes))
    gather_atoms(problem, planner, own)
    _widen(context, problem, pool, planner, plans)
    return problem, select(problem, planner)


class _Pool:
    """The candidates that may be made, by name: with their sizes, and what they are expected to cost."""

    def __init__(
        self, context: Context, queries: Sequence[Query], plans: Mapping[str, Plan], rent_per_byte: float
    ) -> None:
        self._context = context
        self._writes = [(query, plans[query.id]) for query in queries if not query.is_read]
        self._rent_per_byte = rent_per_byte
        self.candidates: dict[str, Candidate] = {}
        self.changes: dict[str, CreateIndex] = {}
        self.sizes: dict[str, int] = {}
        self.keep_ms: dict[str, float] = {}

    def add(self, candidates: Iterable[Candidate]) -> list[str]:
        """Add those that the server would make and that are not too large; return their names."""
        changes = {candidate.change(self._context.limits.name_prefix): candidate for candidate in candidates}
        fresh = [change for change in changes if change.name not in self.changes]
        largest = min(self._context.limits.max_index_bytes, self._context.limits.budget_bytes)
        for change, size in zip(fresh, self._context.what_if.size_bytes(fresh), strict=True):
            if size is not None and size <= largest:
                self.candidates[change.name] = changes[change]
                self.changes[change.name] = change
                self.sizes[change.name] = size
                self.keep_ms[change.name] = _write_ms(change, self._writes) + self._rent_per_byte * size
        return [change.name for change in changes if change.name in self.changes]


def _widen(context: Context, problem: Problem, pool: _Pool, planner: Planner, plans: Mapping[str, Plan]) -> None:
    """Let queries share: unions of what they like join the choice, and each plan is asked for with wider ones."""
    users: dict[str, set[str]] = {}
    for query_id, atoms in problem.atoms.items():
        for atom in atoms:
            for name in atom.indexes:
                users.setdefault(name, set()).add(query_id)
    liked = {pool.candidates[name]: frozenset(query_ids) for name, query_ids in users.items()}
    names = {
        pool.candidates[name]: name for name in (*users, *pool.add(merged(liked, context.snapshot, context.limits)))
    }
    wider = replacements(list(names))
    planner.relevant = _relevant(plans, pool.changes)
    gather_replacements(
        problem, planner, {names[one]: [names[other] for other in others] for one, others in wider.items()}
    )


def _plans_now(context: Context) -> dict[str, Plan]:
    [answers] = context.what_if.what_if(context.queries, [()])
    pairs = zip(context.queries, answers, strict=True)
    return {query.id: plan for query, plan in pairs if isinstance(plan, Plan)}


def _candidates(context: Context, plan: Plan) -> list[Candidate]:
    found: list[Candidate] = []
    for need in needs_of(plan):
        table = context.snapshot.table(need.schema, need.table)
        if table is not None and table.kind in _INDEXED_KINDS:
            found += candidates_for(need, table, context.limits)
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


def _write_ms(change: CreateIndex, writes: Iterable[tuple[Query, Plan]]) -> float:
    """Return the weighted ms that the index is expected to add to the workload's writes."""
    total = 0.0
    for query, plan in writes:
        for node in plan.root.walk():
            if node.node_type == "ModifyTable" and (node.schema, node.relation) == (change.schema, change.table):
                rows = max((child.rows for child in node.children), default=1.0)
                total += query.weight * max(rows, 1.0) * ENTRY_MS
    return total


def _rent_per_byte(context: Context, base_cost: Mapping[str, float], value: Mapping[str, float]) -> float:
    """Return what a byte must save, in ms, when efficiency is an objective; speed alone pays no rent."""
    stored = sum(table.size_bytes for table in context.snapshot.tables if table.kind != "p")
    if not context.limits.wants_efficiency or stored <= 0:
        return 0.0
    return SIZE_RENT * sum(value[query_id] * cost for query_id, cost in base_cost.items()) / stored


def _room(context: Context) -> dict[tuple[str, str], int]:
    limit = context.limits.max_indexes_per_table
    return {(t.schema, t.name): max(limit - len(t.indexes), 0) for t in context.snapshot.tables}


def _strategy(
    changes: tuple[CreateIndex, ...],
    gain_share: float,
    sizes: Mapping[str, int],
    users: Mapping[str, Sequence[str]],
) -> Strategy:
    query_ids = tuple(dict.fromkeys(query_id for change in changes for query_id in users[change.name]))
    how_many = "1 query uses it" if len(query_ids) == 1 else f"{len(query_ids)} queries use it"
    return Strategy(
        changes=changes,
        proposer=NAME,
        title="index " + " and ".join(_describe(change) for change in changes),
        reason=f"part of the best set that planner and solver agree on; {how_many}",
        query_ids=query_ids,
        size_bytes=sum(sizes.values()),
        evidence={"gain_share": round(gain_share, 6), **{f"size_bytes.{name}": size for name, size in sizes.items()}},
    )


def _describe(change: CreateIndex) -> str:
    included = f" include ({', '.join(change.include_columns)})" if change.include_columns else ""
    return f"{change.table} ({', '.join(change.key_columns)}){included}"
