"""Says a plan in the hints of pg_hint_plan, and writes the SQL for its hint table, and for PostgreSQL 19's stash.

Hints name aliases and indexes, never a value. What hints cannot say is told beside them. Nothing is run here, nor yet
anywhere: these extensions are not where this is built and tested, so that the SQL is held to their documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trimtab.model.plan import PlanNode

HINT_PLAN, STASH_ADVICE = "pg_hint_plan", "pg_stash_advice"
QUERY_ID_SINCE = (1, 7)
"""The version of pg_hint_plan (that for PostgreSQL 17) from which on its table is keyed by query id, not by text."""
STASH_SINCE = 190000
STASH = "trimtab"
MOST_ADVICE_BYTES = 8192
"""Longer advice is not written: what the planner does with long lists grows with their square."""
_SCANS = {
    "Seq Scan": "SeqScan",
    "Index Scan": "IndexScan",
    "Index Only Scan": "IndexOnlyScan",
    "Bitmap Heap Scan": "BitmapScan",
    "Tid Scan": "TidScan",
}
_JOINS = {"Nested Loop": "NestLoop", "Hash Join": "HashJoin", "Merge Join": "MergeJoin"}
_APART = ("InitPlan", "SubPlan")
_PARALLEL = ("Gather", "Gather Merge")
_OPAQUE = ("Append", "Merge Append", "Subquery Scan", "CTE Scan", "Function Scan", "Values Scan", "Foreign Scan")
_PLACEHOLDER = re.compile(r'(?<![\w"$])\$\d+')


@dataclass(frozen=True, slots=True)
class Hints:
    """The hints, one a line, without comment marks; and what of the plan they do not say, in words."""

    text: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenSql:
    """A statement with `$n` for its values, and those: for who has the extension."""

    text: str
    values: tuple[str | int | None, ...]


def hints_of(root: PlanNode) -> Hints:
    """Return hints for the plan's scans, joins and order of joins. Needs the plan's aliases, as EXPLAIN tells them."""
    writer = _Writer()
    writer.write(root)
    return Hints("\n".join(writer.lines), tuple(dict.fromkeys(writer.left_out)))


def table_statements(
    version: str, query_id: int, normalized_text: str, hints: Hints, application_name: str = ""
) -> tuple[WrittenSql, WrittenSql]:
    """Return what puts the hints into pg_hint_plan's table, and what takes them out again.

    `version` is the extension's. Before 1.7 a row is found by the statement's text, in which white space counts.
    Raises ValueError for a version that is none.
    """
    key = "query_id" if is_keyed_by_id(version) else "norm_query_string"
    value = query_id if is_keyed_by_id(version) else _PLACEHOLDER.sub("?", normalized_text)
    put = f"INSERT INTO hint_plan.hints ({key}, application_name, hints) VALUES ($1, $2, $3)"  # noqa: S608 - a column
    take = f"DELETE FROM hint_plan.hints WHERE {key} = $1 AND application_name = $2 AND hints = $3"  # noqa: S608
    values = (value, application_name, hints.text)
    return WrittenSql(put, values), WrittenSql(take, values)


def is_keyed_by_id(version: str) -> bool:
    """Return whether that version of pg_hint_plan finds hints by query id. Raises ValueError for what is no version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError("an extension's version begins with two numbers")
    return (int(found[1]), int(found[2])) >= QUERY_ID_SINCE


def stash_statements(query_id: int, advice: str, stash: str = STASH) -> tuple[WrittenSql, WrittenSql]:
    """Return what stashes plan advice for a query (PostgreSQL 19), and what removes it. The stash has to be there.

    `advice` is what `EXPLAIN (PLAN_ADVICE)` told of the anchored plan. Raises ValueError for none, or for too much.
    """
    if not advice.strip() or len(advice.encode()) > MOST_ADVICE_BYTES:
        raise ValueError(f"plan advice has 1 to {MOST_ADVICE_BYTES} bytes")
    text = "SELECT pg_set_stashed_advice($1::text, $2::bigint, $3::text)"
    return WrittenSql(text, (stash, query_id, advice)), WrittenSql(text, (stash, query_id, None))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Writer:
    """Goes down the plan, and keeps a line for each scan and join that can be said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.left_out: list[str] = []

    def write(self, node: PlanNode) -> None:
        """Write one query block: its scans and joins, its order, and then the blocks below it."""
        order = self._order(node)
        if order is not None and order.startswith("("):
            self.lines.append(f"Leading({order})")

    def _order(self, node: PlanNode) -> str | None:
        """Return the order in which the relations under the node are joined, None where there are none to name."""
        for child in node.children:
            if child.parent_relationship in _APART:
                self.write(child)
        inner = [child for child in node.children if child.parent_relationship not in _APART]
        if node.node_type in _PARALLEL:
            self.left_out.append("how many workers it has")
        if node.node_type in _OPAQUE:
            return self._opaque(node, inner)
        if node.node_type in _SCANS and node.alias is not None:
            return self._scan(node)
        if node.node_type in _JOINS:
            return self._join(node, inner)
        orders = [order for child in inner if (order := self._order(child)) is not None]
        return orders[0] if len(orders) == 1 else None

    def _scan(self, node: PlanNode) -> str:
        alias = node.alias or ""
        if node.relation is not None and re.fullmatch(re.escape(node.relation) + r"_\d+", alias):
            self.left_out.append(f"{alias}: EXPLAIN numbers a name that the statement has more than once")
        indexes = [each.index for each in node.walk() if each.index is not None and each.node_type != "Seq Scan"]
        names = " ".join(_quoted(name) for name in (alias, *dict.fromkeys(indexes)))
        self.lines.append(f"{_SCANS[node.node_type]}({names})")
        return _quoted(alias)

    def _join(self, node: PlanNode, inner: list[PlanNode]) -> str | None:
        orders = [self._order(child) for child in inner]
        if len(orders) != len(("outer", "inner")) or None in orders:
            self.left_out.append(f"a {node.node_type} over what has no name")
            return next((order for order in orders if order is not None), None)
        order = f"({orders[0]} {orders[1]})"
        # The names without their brackets: a quoted name holds what it likes.
        names = re.findall(r'"(?:[^"]|"")*"', order)
        self.lines.append(f"{_JOINS[node.node_type]}({' '.join(names)})")
        if any(child.node_type == "Memoize" for child in inner):
            self.lines.append(f"Memoize({' '.join(names)})")
        return order

    def _opaque(self, node: PlanNode, inner: list[PlanNode]) -> str | None:
        """What hints cannot name, or what they name by its parent, which a plan does not tell."""
        self.left_out.append(f"what is under {node.node_type}")
        for child in inner:
            if node.node_type == "Subquery Scan":
                self.write(child)
        return (
            _quoted(node.alias) if node.alias is not None and node.node_type not in ("Append", "Merge Append") else None
        )
