"""The shape of a plan as anchors compare it: what does what with which table and index, partitions folded.

Two plans of one shape differ at most in literals, aliases, figures and in how many partitions they read, and which. It
decides when shapes are equal; never why they differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from trimtab.model.plan import Plan, PlanNode

_Parents: TypeAlias = Mapping[tuple[str, str], tuple[str, str]]

_SCANS_OF_MANY = ("Append", "MergeAppend")
_APART = ("InitPlan", "SubPlan")
_ANY = "*"
# PostgreSQL calls the children of one parent by its alias and a number.
_NUMBERED = re.compile(r"_\d+\Z")


@dataclass(frozen=True, slots=True)
class PlanShape:
    """A shape: 16 hexadecimal digits that are equal for equal shapes, and the same as indented lines for people.

    `relations` are (schema, name) of tables, or of the parents of partitions; `indexes` names; `methods` types of
    nodes, with what they do it by: "Aggregate Hashed". It holds no literal.
    """

    hash: str
    lines: tuple[str, ...]
    relations: frozenset[tuple[str, str]]
    indexes: frozenset[str]
    methods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Folded:
    """A node of the shape, and the key by which it is told from its siblings: names of children of one parent aside."""

    label: tuple[str, ...]
    schema: str
    relation: str
    index: str
    children: tuple[_Folded, ...]
    key: str

    def text(self) -> str:
        return json.dumps(self.tree(), ensure_ascii=False)

    def tree(self) -> list[object]:
        return [*self.label, self.schema, self.relation, self.index, [child.tree() for child in self.children]]

    def starred(self) -> _Folded:
        """The same with any name in place of names that belong to one partition."""
        return _Folded(
            self.label,
            "" if self.relation else self.schema,
            self.relation and _ANY,
            self.index and _ANY,
            tuple(child.starred() for child in self.children),
            self.key,
        )


def topmost(parents: Sequence[tuple[tuple[str, str], tuple[str, str]]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the topmost parent of each, out of pairs of a (schema, name) and what is above; of several the first."""
    above = dict(reversed(parents))
    found = {}
    for child, parent in above.items():
        seen = {child}
        top = parent
        while top in above and top not in seen:
            seen.add(top)
            top = above[top]
        found[child] = top
    return found


def renamed(plan: Plan, index_names: Mapping[str, str]) -> Plan:
    """Return the plan as it would be if these indexes had the other names."""
    return Plan(_renamed(plan.root, index_names)) if index_names else plan


def _renamed(node: PlanNode, names: Mapping[str, str]) -> PlanNode:
    index = names.get(node.index, node.index) if node.index is not None else None
    return replace(node, index=index, children=tuple(_renamed(child, names) for child in node.children))


def plan_shape(plan: Plan, parents: _Parents | None = None) -> PlanShape:
    """Return the shape of a plan. `parents` leads from (schema, name) of partitions, and of their indexes, to the top.

    Where it is given, a plan that reads one partition has the shape of one that reads all. Without it like scans under
    an Append are folded by their aliases, which the children of one parent share but for a number.
    """
    folded = _fold(plan.root, parents, "")
    nodes = list(_walk(folded))
    return PlanShape(
        hash=hashlib.sha256(folded.text().encode()).hexdigest()[:16],
        lines=tuple(_lines(folded, 0)),
        relations=frozenset((n.schema, n.relation) for n in nodes if n.relation not in ("", _ANY)),
        indexes=frozenset(n.index for n in nodes if n.index not in ("", _ANY)),
        methods=frozenset(" ".join(word for word in (n.label[0], n.label[2]) if word) for n in nodes),
    )


def _fold(node: PlanNode, parents: _Parents | None, schema: str) -> _Folded:
    schema = node.schema or schema  # A bitmap's index scan does not tell its schema: the heap scan above it does.
    children = [(child.parent_relationship in _APART, _fold(child, parents, schema)) for child in node.children]
    inner = [child for _, child in children]
    if node.node_type in _SCANS_OF_MANY:
        members = _unique([child for is_apart, child in children if not is_apart], by_alias=parents is None)
        inner = [*(child for is_apart, child in children if is_apart), *members]
        if len(inner) == 1 == len(members):
            return inner[0]
    table, index = ((schema, node.relation or ""), (schema, node.index or ""))
    table, index = (parents or {}).get(table, table), (parents or {}).get(index, index)
    role = node.parent_relationship if node.parent_relationship in _APART else None
    label = tuple(word or "" for word in (node.node_type, node.join_type, node.strategy, node.operation, role))
    alias = _NUMBERED.sub("", node.alias or "")
    key = json.dumps([label, alias, bool(node.relation), bool(node.index), [child.key for child in inner]])
    is_named = bool(node.relation or node.index)
    return _Folded(label, table[0] if is_named else "", table[1], index[1], tuple(inner), key)


def _unique(children: Sequence[_Folded], *, by_alias: bool) -> list[_Folded]:
    """Return the members of an Append, those of equal shape once; `by_alias` also those equal but for their names."""
    groups: dict[str, list[_Folded]] = {}
    for child in children:
        groups.setdefault(child.key if by_alias else child.text(), []).append(child)
    found = {
        one.text(): one
        for members in groups.values()
        for one in [members[0] if len({member.text() for member in members}) == 1 else members[0].starred()]
    }
    return [found[text] for text in sorted(found)]


def _walk(node: _Folded) -> list[_Folded]:
    return [node, *(below for child in node.children for below in _walk(child))]


def _lines(node: _Folded, depth: int) -> list[str]:
    relation = f"on {node.schema}.{node.relation}" if node.schema and node.relation else node.relation
    words = [*node.label, node.index and f"using {node.index}", relation]
    return [
        "  " * depth + " ".join(word for word in words if word),
        *(line for child in node.children for line in _lines(child, depth + 1)),
    ]
