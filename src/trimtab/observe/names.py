"""Small questions to a syntax tree: names as a statement writes them, fields that may be missing. Asks no catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from trimtab.db.parser import Node, walk

TableName: TypeAlias = tuple[str, str]
"""(schema, name) as written; the schema is "" where none is."""

ColumnName: TypeAlias = tuple[str, str, str]
"""(schema, table, column) as written."""


def relations(nodes: Sequence[tuple[str, Node]]) -> Iterator[TableName]:
    """Yield the relations that the nodes of a tree (`db.parser.walk`) name, common table expressions left out."""
    commons = {fields.get("ctename") for kind, fields in nodes if kind == "CommonTableExpr"}
    for kind, fields in nodes:
        # The target of a write has no node name of its own, only the field's.
        if kind in ("RangeVar", "relation") and "relname" in fields:
            name = table_name(fields)
            if name[0] or name[1] not in commons:
                yield name


def relations_of(trees: Sequence[Node]) -> set[TableName]:
    """Return the relations that trees name, common table expressions left out."""
    return {name for tree in trees for name in relations(list(walk(tree)))}


def table_name(range_var: Node) -> TableName:
    """Return the name of a RangeVar."""
    return str(range_var.get("schemaname", "")), str(range_var.get("relname", ""))


def alias_of(item: Node) -> str | None:
    """Return the alias of an item of FROM, or None."""
    name = inner(item, "alias").get("aliasname")
    return None if name is None else str(name)


def parts_of(names: object) -> tuple[str, ...]:
    """Return the parts of a name: a ColumnRef's fields, a function's or an operator's name. A star is "*"."""
    if not isinstance(names, list):
        return ()
    return tuple("*" if "A_Star" in part else str(part.get("String", {}).get("sval", "")) for part in names)


def inner(node: object, *path: str) -> Node:
    """Return the node at the end of a path of fields, empty where one is missing."""
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def items(node: object) -> list[Node]:
    """Return the nodes of a list, none where it is missing."""
    return [item for item in node if isinstance(item, Mapping)] if isinstance(node, list) else []


def opened(node: object) -> tuple[str, Node]:
    """Return (node type, fields) of a node; ("", {}) where it is missing."""
    if isinstance(node, Mapping):
        for kind, fields in node.items():
            return kind, fields if isinstance(fields, Mapping) else {}
    return "", {}
