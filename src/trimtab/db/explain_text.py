"""Reads a plan that EXPLAIN printed as text (auto_explain's default): the tree of it, for its shape.

Costs, conditions and figures are not read. A literal or a name with a newline in it, which looks like a node of its
own, is told apart by its quotes. The shape is that of EXPLAIN (FORMAT JSON) with the same VERBOSE.
"""

from __future__ import annotations

import re

from trimtab.db.plan_text import unquoted
from trimtab.model.plan import Plan, PlanNode

_COST = r"  \(cost=\d+\.\d\d\.\.\d+\.\d\d rows=\d+ width=\d+\)"
PLAN_LINE = re.compile(rf"""[A-Z](?:[^\n"]|"(?:[^"]|"")*+")*?{_COST}""")
"""The first line of a plan."""

# A line ends where a newline is not quoted.
_LINE = re.compile(r"""(?:[^'"\n]++|'(?:[^']|'')*+'|"(?:[^"]|"")*+")*+(?:\n|\Z)""")
_LABEL = r"""(?P<label>[A-Z](?:[^"\n]|"(?:[^"]|"")*+")*?)"""
_NODE = re.compile(rf"(?P<blank> *)->  {_LABEL}{_COST}")
_ROOT = re.compile(rf"{_LABEL}{_COST}")
# A node's children stand six columns to the right of it, those under "SubPlan 1" eight; the root is without an arrow.
_STEP, _ROOT_COLUMN = 6, -4

_NAME = r'(?:"(?:[^"]|"")++"|[^\s".]++)'
_TARGET = rf"(?: on (?:(?P<schema>{_NAME})\.)?(?P<name>{_NAME})(?: {_NAME})?)?"
_SCAN = re.compile(rf"(?P<type>[A-Z][\w ]*? Scan)(?: Backward)?(?: using (?P<index>{_NAME}))?{_TARGET}", re.DOTALL)
_CUSTOM = re.compile(rf"Custom Scan \((?:[^()]*)\)(?: using {_NAME})?{_TARGET}", re.DOTALL)
_MODIFY = re.compile(rf"(?P<foreign>Foreign )?(?P<operation>Insert|Update|Delete|Merge){_TARGET}", re.DOTALL)
_JOIN = re.compile(
    r"(?P<method>Nested Loop|Hash|Merge)(?: (?P<type>Left|Full|Right|Semi|Anti|Right Semi|Right Anti))? Join"
)
_AGGREGATE = re.compile(r"(?:Partial |Finalize )?(?P<strategy>|Group|Hash|Mixed)Aggregate")
_SET_OPERATION = re.compile(r"(?P<hashed>Hash)?SetOp (?:Except|Intersect)(?: All)?")
_STRATEGIES = {"": "Plain", "Group": "Sorted", "Hash": "Hashed", "Mixed": "Mixed"}
# Only these read a relation; what others read has a name as well.
_READS_RELATION = frozenset(
    f"{kind} Scan" for kind in ("Seq", "Sample", "Index", "Index Only", "Bitmap Heap", "Tid", "Tid Range", "Foreign")
)


def plan_of_text(text: str) -> Plan:
    """Return the plan of a text that begins with its root. Raises ValueError when there is none in it."""
    root = _ROOT.match(text)
    if root is None:
        raise ValueError("EXPLAIN printed no plan")
    open_nodes: list[tuple[int, list[PlanNode], str]] = [(_ROOT_COLUMN, [], root["label"])]
    place = 0
    while place < len(text):
        line = _LINE.match(text, place)
        if line is None:
            raise ValueError("a quote in the plan is never closed")
        node = _NODE.match(line[0]) if place else None
        if node is not None:
            column = len(node["blank"])
            _close(open_nodes, column)
            open_nodes.append((column, [], node["label"]))
        place = line.end()
    _close(open_nodes, _ROOT_COLUMN + _STEP)
    _, children, label = open_nodes[0]
    return Plan(_node(label, tuple(children)))


def _close(open_nodes: list[tuple[int, list[PlanNode], str]], column: int) -> None:
    """Give the nodes that cannot have a child in this column to their parents."""
    while len(open_nodes) > 1 and open_nodes[-1][0] + _STEP > column:
        _, children, label = open_nodes.pop()
        open_nodes[-1][1].append(_node(label, tuple(children)))


def _node(label: str, children: tuple[PlanNode, ...]) -> PlanNode:
    label = label.removeprefix("Parallel ").removeprefix("Async ")
    if join := _JOIN.fullmatch(label):
        method = join["method"] if join["method"] == "Nested Loop" else f"{join['method']} Join"
        return _made(method, children, join_type=join["type"] or "Inner")
    if label == "Nested Loop":
        return _made(label, children, join_type="Inner")
    if aggregate := _AGGREGATE.fullmatch(label):
        return _made("Aggregate", children, strategy=_STRATEGIES[aggregate["strategy"]])
    if operation := _SET_OPERATION.fullmatch(label):
        return _made("SetOp", children, strategy="Hashed" if operation["hashed"] else "Sorted")
    if modify := _MODIFY.fullmatch(label):
        node_type = "Foreign Scan" if modify["foreign"] else "ModifyTable"
        return _on(modify, node_type, children, operation=modify["operation"])
    if custom := _CUSTOM.fullmatch(label):
        return _on(custom, "Custom Scan", children)
    if scan := _SCAN.fullmatch(label):
        return _scan(scan, children)
    return _made(label, children)


def _scan(scan: re.Match[str], children: tuple[PlanNode, ...]) -> PlanNode:
    node_type, name = scan["type"], scan["name"]
    if node_type == "Bitmap Index Scan":
        return _made(node_type, children, index=_plain(name))
    if node_type in _READS_RELATION:
        return _on(scan, node_type, children, index=_plain(scan["index"]))
    return _made(node_type, children, schema=_plain(scan["schema"]))


def _on(
    found: re.Match[str],
    node_type: str,
    children: tuple[PlanNode, ...],
    index: str | None = None,
    operation: str | None = None,
) -> PlanNode:
    return PlanNode(
        node_type,
        0.0,
        0.0,
        0.0,
        schema=_plain(found["schema"]),
        relation=_plain(found["name"]),
        index=index,
        operation=operation,
        children=children,
    )


def _made(
    node_type: str,
    children: tuple[PlanNode, ...],
    join_type: str | None = None,
    strategy: str | None = None,
    index: str | None = None,
    schema: str | None = None,
) -> PlanNode:
    return PlanNode(
        node_type, 0.0, 0.0, 0.0, schema=schema, index=index, join_type=join_type, strategy=strategy, children=children
    )


def _plain(name: str | None) -> str | None:
    return None if name is None else unquoted(name)
