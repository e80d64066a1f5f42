"""Proposes indexes: candidates from what each query needs, the best set by `selection`, one Strategy per index.

The strategies come best first; each one's worth is what it adds to those before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Query
from trimtab.propose.candidates import candidates_for
from trimtab.propose.context import Context
from trimtab.propose.needs import needs_of
from trimtab.propose.selection import Problem, gather_atoms, select

NAME = "indexes"
# What one index entry adds to a row's insert or update, in ms: a rough prior; the trial measures.
ENTRY_MS = 0.004
# With the objective "efficiency" an index as large as all tables together must save this share of the workload.
SIZE_RENT = 0.05


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per chosen index."""
    plans = _plans_now(context)
    queries = [query for query in context.queries if query.id in plans]
    relevant, candidates = _candidates(context, queries, plans)
    estimates = zip(candidates, context.what_if.size_bytes(list(candidates.values())), strict=True)
    sizes = {name: size for name, size in estimates if size is not None}
    small = {name for name, size in sizes.items() if size <= context.limits.max_index_bytes}
    relevant = {query_id: [name for name in names if name in small] for query_id, names in relevant.items()}
    base_cost = {query.id: plans[query.id].cost for query in queries}
    value = {query.id: context.time_per_cost(query, base_cost[query.id]) for query in queries}
    base_ms = sum(value[query.id] * base_cost[query.id] for query in queries)
    rent = _rent_per_byte(context, base_ms)
    problem = Problem(
        candidates=candidates,
        sizes=sizes,
        keep_ms={name: _keep_ms(candidates[name], queries, plans) + rent * size for name, size in sizes.items()},
        queries=queries,
        value=value,
        base_cost=base_cost,
        budget_bytes=context.limits.budget_bytes,
        max_per_table=_room(context),
    )
    gather_atoms(problem, context.what_if, relevant)
    selection = select(problem, context.what_if, relevant)
    return [
        _strategy(changes, gain, {c.name: sizes[c.name] for c in changes}, _users(changes, relevant), problem.base_ms)
        for changes, gain in selection.chosen
    ]


def _plans_now(context: Context) -> dict[str, Plan]:
    [answers] = context.what_if.what_if(context.queries, [()])
    pairs = zip(context.queries, answers, strict=True)
    return {query.id: plan for query, plan in pairs if isinstance(plan, Plan)}


def _candidates(
    context: Context, queries: list[Query], plans: Mapping[str, Plan]
) -> tuple[dict[str, list[str]], dict[str, CreateIndex]]:
    relevant: dict[str, list[str]] = {}
    candidates: dict[str, CreateIndex] = {}
    for query in queries:
        names: dict[str, None] = {}
        for need in needs_of(plans[query.id]):
            table = context.snapshot.table(need.schema, need.table)
            if table is None or table.kind != "r":
                continue
            for change in candidates_for(need, table, context.limits):
                candidates[change.name] = change
                names[change.name] = None
        relevant[query.id] = list(names)
    return relevant, candidates


def _keep_ms(change: CreateIndex, queries: list[Query], plans: Mapping[str, Plan]) -> float:
    """Return the weighted ms that the index is expected to add to the workload's writes."""
    total = 0.0
    for query in queries:
        if query.is_read:
            continue
        for node in plans[query.id].root.walk():
            if node.node_type == "ModifyTable" and (node.schema, node.relation) == (change.schema, change.table):
                rows = max((child.rows for child in node.children), default=1.0)
                total += query.weight * max(rows, 1.0) * ENTRY_MS
    return total


def _rent_per_byte(context: Context, base_ms: float) -> float:
    """Return what a byte must save, in ms, when efficiency is an objective; speed alone pays no rent."""
    stored = sum(table.size_bytes for table in context.snapshot.tables if table.kind != "p")
    return SIZE_RENT * base_ms / stored if context.limits.wants_efficiency and stored > 0 else 0.0


def _room(context: Context) -> dict[tuple[str, str], int]:
    limit = context.limits.max_indexes_per_table
    return {(t.schema, t.name): max(limit - len(t.indexes), 0) for t in context.snapshot.tables}


def _users(changes: tuple[CreateIndex, ...], relevant: Mapping[str, list[str]]) -> tuple[str, ...]:
    names = {change.name for change in changes}
    return tuple(query_id for query_id, offered in relevant.items() if names & set(offered))


def _strategy(
    changes: tuple[CreateIndex, ...], gain: float, sizes: Mapping[str, int], query_ids: tuple[str, ...], base_ms: float
) -> Strategy:
    return Strategy(
        changes=changes,
        proposer=NAME,
        title="index " + " and ".join(_describe(change) for change in changes),
        reason=f"part of the best set that planner and solver agree on; {len(query_ids)} queries may use it",
        query_ids=query_ids,
        size_bytes=sum(sizes.values()),
        evidence={
            "gain_share": round(gain / base_ms, 6) if base_ms > 0 else 0.0,
            **{f"size_bytes.{name}": size for name, size in sizes.items()},
        },
    )


def _describe(change: CreateIndex) -> str:
    included = f" include ({', '.join(change.include_columns)})" if change.include_columns else ""
    return f"{change.table} ({', '.join(change.key_columns)}){included}"
