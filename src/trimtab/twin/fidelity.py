"""How far the twin's plans are from the source's own. Measured on the user's workload, never assumed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from trimtab.model.plan import Plan, PlanNode
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query

_UNDEFINED = frozenset({"42P01", "42703", "42704", "42883", "3F000"})
"""SQLSTATEs of what is not there: table, column, object, function, schema."""
_UNTYPED = "42P18"
_CATALOG = "pg_catalog"
INCOMPLETE, UNGUARDED = "TT001", "TT002"
"""In the place of an SQLSTATE: the twin lacks a part of a table, and its own plan would say too little."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What may explain that plans differ.

    Versions are server_version_num (180006). `unreadable` are the relations whose statistics this role may not read,
    by (schema, name), `partly_hidden` those of which it may read some; `unknown_ends` are tables whose rows changed
    since ANALYZE and whose indexes have ends that the twin does not know; `guarded` are those whose policies of
    row-level security bind who plans; `absent` are names of the source's indexes that the twin lacks, `estimated` of
    those of which it knows no more than their length. `has_values` is False for a twin without most-common values and
    histograms.
    """

    source_version: int = 0
    twin_version: int = 0
    unreadable: frozenset[tuple[str, str]] = frozenset()
    partly_hidden: frozenset[tuple[str, str]] = frozenset()
    unknown_ends: frozenset[tuple[str, str]] = frozenset()
    guarded: frozenset[tuple[str, str]] = frozenset()
    absent: frozenset[str] = frozenset()
    estimated: frozenset[str] = frozenset()
    has_values: bool = True


@dataclass(frozen=True, slots=True)
class QueryFidelity:
    """One query. Costs are None where planning failed. `first_difference` names the first node that differs, or "".

    `reason` says why they differ where the circumstances tell, or is "".
    """

    query_id: str
    source_cost: float | None
    twin_cost: float | None
    same_shape: bool
    first_difference: str
    reason: str = ""

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

    def summary(self) -> dict[str, float | int | str | None]:
        """Return the shares that reports quote, of the `queries` that the source itself plans: None of none."""
        known = [query for query in self.queries if query.source_cost is not None]
        return {
            "queries": len(known),
            "within_1_percent": _share(sum(q.is_within_1_percent for q in known), len(known)),
            "same_shape": _share(sum(q.same_shape for q in known), len(known)),
        }


def compare(
    queries: Sequence[Query],
    source: Sequence[Plan | PlanFailure],
    twin: Sequence[Plan | PlanFailure],
    circumstances: Circumstances | None = None,
) -> Fidelity:
    """Return how the twin's plans compare with the source's, query by query."""
    known = circumstances or Circumstances()
    return Fidelity(tuple(_compare(q, s, t, known) for q, s, t in zip(queries, source, twin, strict=True)))


def _compare(
    query: Query, source: Plan | PlanFailure, twin: Plan | PlanFailure, circumstances: Circumstances
) -> QueryFidelity:
    costs = [plan.cost if isinstance(plan, Plan) else None for plan in (source, twin)]
    if isinstance(source, PlanFailure):
        difference, reason = f"not planned on the source: {source.reason}", "the source itself cannot plan it"
    elif isinstance(twin, PlanFailure):
        difference, reason = f"not planned on the twin: {twin.reason}", _why_not_planned(twin, circumstances)
    else:
        difference, reason = _first_difference(source.root, twin.root), ""
    found = QueryFidelity(query.id, costs[0], costs[1], not difference, difference, reason)
    if isinstance(source, Plan) and isinstance(twin, Plan) and not (found.same_shape and found.is_within_1_percent):
        return replace(found, reason=_why_different(source, twin, circumstances))
    return found


def _why_not_planned(failure: PlanFailure, circumstances: Circumstances) -> str:
    if failure.sqlstate == INCOMPLETE:
        return "the twin lacks children that this role may not read, and the cost without them would be too low"
    if failure.sqlstate == UNGUARDED:
        return "the twin lacks a policy that binds this role, see what could not be carried over"
    if failure.sqlstate == _UNTYPED:
        return "nothing tells the type of a parameter, where it is planned for any values: write it, as in $1::text"
    if failure.sqlstate in _UNDEFINED:
        if circumstances.unreadable:
            return "a relation, type or function is not on the twin: missing rights or a missing extension"
        return "a relation, type or function is not on the twin: see what could not be carried over"
    return ""


def _why_different(source: Plan, twin: Plan, circumstances: Circumstances) -> str:
    if absent := source.indexes & circumstances.absent:
        return f"not on the twin, see what could not be carried over: {', '.join(sorted(absent))}"
    relations = source.relations | twin.relations
    if unread := relations & circumstances.unreadable:
        return f"this role may not read the statistics of {listed(unread)}"
    if unread := relations & circumstances.partly_hidden:
        return f"this role may not read some statistics (of expressions, ranges, several columns) of {listed(unread)}"
    majors = circumstances.source_version // 10000, circumstances.twin_version // 10000
    if majors[0] != majors[1]:
        return f"other major version: the source is PostgreSQL {majors[0]}, the twin {majors[1]}"
    if not circumstances.has_values:
        return "the twin was built without most-common values and histograms"
    if guarded := relations & circumstances.guarded:
        return f"policies may read what the twin does not have, as rows: row-level security of {listed(guarded)}"
    if own := {relation for relation in relations if relation[0] == _CATALOG}:
        return f"the twin's system catalog is its own, with its own statistics: {listed(own)}"
    if guessed := (source.indexes | twin.indexes) & circumstances.estimated:
        return f"what these GIN indexes hold is estimated, only their length is known: {', '.join(sorted(guessed))}"
    if ended := relations & circumstances.unknown_ends:
        return (
            f"where a condition reaches the end of a histogram, the source looks into an index: of {listed(ended)} the "
            "twin does not know all ends of those"
        )
    return ""


def listed(relations: Iterable[tuple[str, str]]) -> str:
    """Return their names in words."""
    return ", ".join(".".join(name) for name in sorted(relations))


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


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
