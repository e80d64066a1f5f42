"""How far the twin's plans are from the source's own. Measured on the user's workload, never assumed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.model.plan import Plan, PlanNode
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query


@dataclass(frozen=True, slots=True)
class QueryFidelity:
    """One query. Costs are None where planning failed. `first_difference` names the first node that differs, or "" ."""

    query_id: str
    source_cost: float | None
    twin_cost: float | None
    same_shape: bool
    first_difference: str

    @property
    def is_within_1_percent(self) -> bool:
        """True when the costs differ by at most 1 % of the source's."""
        if self.source_cost is None or self.twin_cost is None:
            return False
        return abs(self.twin_cost - self.source_cost) <= 0.01 * max(abs(self.source_cost), 1e-9)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The comparison of a whole workload."""

    queries: tuple[QueryFidelity, ...]

    def summary(self) -> dict[str, float | int | str]:
        """Return the shares that reports quote."""
        count = len(self.queries)
        return {
            "queries": count,
            "within_1_percent": _share(sum(q.is_within_1_percent for q in self.queries), count),
            "same_shape": _share(sum(q.same_shape for q in self.queries), count),
        }


def compare(
    queries: Sequence[Query], source: Sequence[Plan | PlanFailure], twin: Sequence[Plan | PlanFailure]
) -> Fidelity:
    """Return how the twin's plans compare with the source's, query by query."""
    return Fidelity(tuple(_compare(q, s, t) for q, s, t in zip(queries, source, twin, strict=True)))


def _compare(query: Query, source: Plan | PlanFailure, twin: Plan | PlanFailure) -> QueryFidelity:
    if isinstance(source, PlanFailure) or isinstance(twin, PlanFailure):
        failed = source if isinstance(source, PlanFailure) else twin
        assert isinstance(failed, PlanFailure)
        where = "source" if isinstance(source, PlanFailure) else "twin"
        return QueryFidelity(
            query.id,
            source.cost if isinstance(source, Plan) else None,
            twin.cost if isinstance(twin, Plan) else None,
            False,
            f"not planned on the {where}: {failed.reason}",
        )
    difference = _first_difference(source.root, twin.root)
    return QueryFidelity(query.id, source.cost, twin.cost, not difference, difference)


def _first_difference(source: PlanNode, twin: PlanNode) -> str:
    mine, theirs = _label(twin), _label(source)
    if mine != theirs:
        return f"{theirs} on the source, {mine} on the twin"
    if len(source.children) != len(twin.children):
        return f"{theirs}: {len(source.children)} inputs on the source, {len(twin.children)} on the twin"
    for left, right in zip(source.children, twin.children, strict=True):
        found = _first_difference(left, right)
        if found:
            return found
    return ""


def _label(node: PlanNode) -> str:
    relation = f"{node.schema}.{node.relation}" if node.schema and node.relation else node.relation or ""
    parts = [node.node_type, node.join_type or "", node.strategy or "", relation, node.index or ""]
    return " ".join(part for part in parts if part)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
