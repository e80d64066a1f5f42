"""Proposes extended statistics where the lab saw far other row counts than the planner believed, and columns that go
together explain it.

It reads run plans only: without a lab it has nothing to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trimtab.db.sql import column_reference, expression_columns
from trimtab.model.catalog import Table
from trimtab.model.change import CreateStatistics
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context

NAME = "statistics"
# An estimate that is off by less than this does not explain a bad plan.
LEAST_ERROR = 5.0
LEAST_ROWS = 100.0
MAX_COLUMNS = 4


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
    worst: dict[tuple[str, str, tuple[str, ...]], Misestimate] = {}
    users: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for query in context.queries:
        plan = context.plans.get(query.id)
        if plan is None:
            continue
        for miss in _misestimates(query.id, plan):
            key = (miss.schema, miss.table, miss.columns)
            users.setdefault(key, []).append(query.id)
            if key not in worst or miss.factor > worst[key].factor:
                worst[key] = miss
    found = []
    for key, miss in worst.items():
        table = context.snapshot.table(miss.schema, miss.table)
        if table is not None and table.kind in ("r", "p", "m") and not _is_known(table, miss):
            found.append(_strategy(table, miss, tuple(dict.fromkeys(users[key])), context.limits.name_prefix))
    return sorted(found, key=lambda strategy: (-float(strategy.evidence["factor"]), strategy.title))


def _misestimates(query_id: str, plan: Plan) -> Iterator[Misestimate]:
    scans = {n.alias: n for n in plan.root.walk() if n.alias and n.relation and n.schema}
    for node in plan.root.walk():
        factor = _factor(node)
        if factor < LEAST_ERROR:
            continue
        if node.relation and node.schema and node.alias:
            columns = _equality_columns(node)
            if len(columns) >= 2:
                kinds = ("dependencies", "mcv")
                yield Misestimate(node.schema, node.relation, columns[:MAX_COLUMNS], kinds, factor, query_id)
        else:
            grouped = _grouped_columns(node, scans)
            if grouped is not None:
                schema, table, columns = grouped
                yield Misestimate(schema, table, columns[:MAX_COLUMNS], ("ndistinct",), factor, query_id)


def _factor(node: PlanNode) -> float:
    """Return how many times too low or too high the estimate was; 1.0 when it cannot be told or too few rows matter."""
    if node.actual_rows is None or not node.loops:
        return 1.0
    estimated, actual = max(node.rows, 1.0), max(node.actual_rows, 1.0)
    if max(estimated, actual) * node.loops < LEAST_ROWS:
        return 1.0
    return max(estimated / actual, actual / estimated)


def _equality_columns(node: PlanNode) -> tuple[str, ...]:
    columns = {
        use.column
        for text in node.conditions.values()
        for use in expression_columns(text)
        if use.alias == node.alias and use.role == "equality" and not use.is_negated
    }
    return tuple(sorted(columns))


def _grouped_columns(node: PlanNode, scans: Mapping[str, PlanNode]) -> tuple[str, str, tuple[str, ...]] | None:
    references = [column_reference(text) for text in node.keys.get("Group Key", ())]
    known = [reference for reference in references if reference is not None and reference[0] in scans]
    if len(known) < 2 or len({alias for alias, _ in known}) != 1:
        return None
    scan = scans[known[0][0]]
    assert scan.schema is not None
    assert scan.relation is not None
    return scan.schema, scan.relation, tuple(sorted({column for _, column in known}))


def _is_known(table: Table, miss: Misestimate) -> bool:
    return any(
        set(miss.columns) <= set(known.columns) and set(miss.kinds) <= set(known.kinds) for known in table.statistics
    )


def _strategy(table: Table, miss: Misestimate, query_ids: tuple[str, ...], prefix: str) -> Strategy:
    digest = hashlib.sha256(f"{table.schema}.{table.name} {miss.columns} {miss.kinds}".encode()).hexdigest()[:6]
    stem = re.sub(r"[^a-z0-9_]+", "_", "_".join((table.name, *miss.columns, "stat")).lower())
    name = f"{prefix}{stem[: 62 - len(prefix) - len(digest)]}_{digest}"
    change = CreateStatistics(table.schema, table.name, name, miss.columns, miss.kinds)
    columns = ", ".join(miss.columns)
    return Strategy(
        changes=(change,),
        proposer=NAME,
        title=f"statistics on {table.name} ({columns})",
        reason=f"the planner's row estimate was off by a factor of {miss.factor:.0f} where these columns meet",
        query_ids=query_ids,
        evidence={"factor": round(miss.factor, 2)},
    )
