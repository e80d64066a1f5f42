"""Proposes extended statistics where the lab saw far other row counts than the planner believed, and columns that go
together explain it.

It reads run plans only: without a lab it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trimtab.db.sql import column_reference, expression_columns
from trimtab.model.catalog import Table
from trimtab.model.change import CreateStatistics
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context
from trimtab.propose.names import object_name, titled

NAME = "statistics"
# An estimate that is off by less than this does not explain a bad plan.
LEAST_ERROR = 5.0
LEAST_ROWS = 100.0
MAX_COLUMNS = 4
# Ordinary tables, partitions among them, and materialized views: what the planner reads statistics of at a scan.
_KINDS = ("r", "m")
_STOPS_EARLY = frozenset({"Limit", "Merge Join"})
_READS_ALL = frozenset({"Sort", "Aggregate", "Hash", "ModifyTable"})


@dataclass(frozen=True, slots=True)
class Misestimate:
    """A plan node whose actual rows differ from the estimate by `factor`, and the columns that it tests together."""

    schema: str
    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    factor: float
    query_id: str


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per column group, the worst misjudged first."""
    seen: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Misestimate]] = {}
    for query in context.queries:
        plan = context.plans.get(query.id)
        for miss in _misestimates(query.id, plan) if plan is not None else ():
            seen.setdefault((miss.schema, miss.table, miss.columns, miss.kinds), []).append(miss)
    found = []
    for misses in seen.values():
        worst = max(misses, key=lambda miss: miss.factor)
        table = context.snapshot.table(worst.schema, worst.table)
        if table is None or table.kind not in _KINDS or not all(_may_be_counted(table, c) for c in worst.columns):
            continue
        kinds = tuple(kind for kind in worst.kinds if kind not in _known_kinds(table, worst.columns))
        if kinds:
            query_ids = tuple(dict.fromkeys(miss.query_id for miss in misses))
            found.append(_strategy(worst, kinds, query_ids, context.limits.name_prefix))
    return sorted(found, key=lambda strategy: (-float(strategy.evidence["factor"]), strategy.title))


def _misestimates(query_id: str, plan: Plan) -> Iterator[Misestimate]:
    scans = {n.alias: n for n in plan.root.walk() if n.alias and n.relation and n.schema}
    for node, may_stop_early in _with_early_stops(plan.root):
        factor = _factor(node, may_stop_early=may_stop_early)
        if node.relation and node.schema and node.alias:
            columns = _equality_columns(node)
            if factor >= LEAST_ERROR and len(columns) >= 2:
                kinds = ("dependencies", "mcv")
                yield Misestimate(node.schema, node.relation, columns[:MAX_COLUMNS], kinds, factor, query_id)
            continue
        # The number of groups is judged for the rows that come in: where these are misjudged, the groups are as well.
        factor /= max((_factor(child, may_stop_early=may_stop_early) for child in node.children), default=1.0)
        if factor >= LEAST_ERROR and not node.conditions:
            for schema, table, columns in _grouped_columns(node, scans):
                yield Misestimate(schema, table, columns[:MAX_COLUMNS], ("ndistinct",), factor, query_id)


def _with_early_stops(node: PlanNode, *, may_stop_early: bool = False) -> Iterator[tuple[PlanNode, bool]]:
    """Yield the nodes, and whether one above may stop asking for rows: then fewer rows than estimated say nothing."""
    yield node, may_stop_early
    stops = node.node_type in _STOPS_EARLY or node.join_type in ("Semi", "Anti", "Right Semi", "Right Anti")
    for child in node.children:
        is_read_to_the_end = node.node_type in _READS_ALL or child.node_type == "Hash"
        is_subplan = child.parent_relationship in ("SubPlan", "InitPlan")
        stops_below = is_subplan or (not is_read_to_the_end and (stops or may_stop_early))
        yield from _with_early_stops(child, may_stop_early=stops_below)


def _factor(node: PlanNode, *, may_stop_early: bool) -> float:
    """Return how many times too low or too high the estimate was; 1.0 when it cannot be told or too few rows matter."""
    if node.actual_rows is None or not node.loops:
        return 1.0
    estimated, actual = max(node.rows, 1.0), max(node.actual_rows, 1.0)
    if max(estimated, actual) * node.loops < LEAST_ROWS or (may_stop_early and actual < estimated):
        return 1.0
    return max(estimated / actual, actual / estimated)


def _equality_columns(node: PlanNode) -> tuple[str, ...]:
    """Return the columns that the scan compares with something fixed; a negated equality is that with false."""
    columns = {
        use.column
        for text in node.conditions.values()
        for use in expression_columns(text)
        if use.alias == node.alias and use.role == "equality"
    }
    return tuple(sorted(columns))


def _grouped_columns(node: PlanNode, scans: Mapping[str, PlanNode]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the groups of columns that one relation brings to the grouping, with its schema and name."""
    references = [column_reference(text) for text in node.keys.get("Group Key", ())]
    by_alias: dict[str, set[str]] = {}
    for alias, column in filter(None, references):
        by_alias.setdefault(alias, set()).add(column)
    for alias, columns in by_alias.items():
        scan = scans.get(alias)
        if scan is not None and scan.schema is not None and scan.relation is not None and len(columns) >= 2:
            yield scan.schema, scan.relation, tuple(sorted(columns))


def _may_be_counted(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.has_btree_order


def _known_kinds(table: Table, columns: tuple[str, ...]) -> set[str]:
    """Return the kinds that objects over these columns, or over more, hold already."""
    return {kind for known in table.statistics if set(columns) <= set(known.columns) for kind in known.kinds}


def _strategy(miss: Misestimate, kinds: tuple[str, ...], query_ids: tuple[str, ...], prefix: str) -> Strategy:
    definition = f"{miss.schema}.{miss.table} {miss.columns} {kinds}"
    name = object_name(prefix, (miss.table, *miss.columns, "stat"), definition)
    return Strategy(
        changes=(CreateStatistics(miss.schema, miss.table, name, miss.columns, kinds),),
        proposer=NAME,
        title=f"statistics on {titled(miss.schema, miss.table)} ({', '.join(miss.columns)})",
        reason=f"the planner's row estimate was off by a factor of {miss.factor:.0f} where these columns meet",
        query_ids=query_ids,
        evidence={"factor": round(miss.factor, 2)},
    )
