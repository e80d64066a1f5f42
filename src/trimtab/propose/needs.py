"""What each query asks of each table that it reads, as the planner sees it: filters, joins, orders, groups, columns.

Read from EXPLAIN (VERBOSE) plans, where names are resolved, views expanded and constants folded; never from words in
the query's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trimtab.db.sql import ColumnUse, column_reference, expression_columns, sort_key
from trimtab.model.plan import Plan, PlanNode

# These nodes hand on their input's columns unchanged, and a scan below them may list all of its table's columns even
# where few are needed; what is needed shows in the nodes that compute something.
_IDENTIFIER = re.compile(r'"((?:[^"]|"")+)"|\b([^\W\d]\w*)\b(?!\s*[.(])')
_PASSES_COLUMNS_ON = frozenset(
    {
        "Hash",
        "Sort",
        "Incremental Sort",
        "Materialize",
        "Memoize",
        "Gather",
        "Gather Merge",
        "Limit",
        "Unique",
        "Append",
    }
)


@dataclass(slots=True)
class Need:
    """What one query asks of one scanned relation. Lists keep the plan's order and hold each column once."""

    schema: str
    table: str
    alias: str
    equality: list[str] = field(default_factory=list)
    range: list[str] = field(default_factory=list)
    join: list[tuple[str, str]] = field(default_factory=list)
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)

    @property
    def join_columns(self) -> list[str]:
        """Columns that join to other relations."""
        return list(dict.fromkeys(column for _, column in self.join))


def needs_of(plan: Plan) -> list[Need]:
    """Return what the plan's query asks of each relation that it scans."""
    nodes = list(plan.root.walk())
    needs = {
        node.alias: Need(node.schema, node.relation, node.alias)
        for node in nodes
        if node.relation and node.schema and node.alias and node.node_type != "ModifyTable"
    }
    for node in nodes:
        for text in node.conditions.values():
            _note_condition(needs, expression_columns(text))
        _note_orders(needs, node)
    _note_columns(needs, plan.root)
    return list(needs.values())


def _note_condition(needs: Mapping[str, Need], uses: Iterable[ColumnUse]) -> None:
    for use in uses:
        need = needs.get(use.alias)
        if need is None:
            continue
        need.columns.add(use.column)
        if use.is_negated:
            continue
        if use.role in ("equality", "null_test"):
            _add(need.equality, use.column)
        elif use.role == "range":
            _add(need.range, use.column)
        elif use.role == "join" and use.other_alias is not None and (use.other_alias, use.column) not in need.join:
            need.join.append((use.other_alias, use.column))


def _note_orders(needs: Mapping[str, Need], node: PlanNode) -> None:
    keys = [sort_key(text) for text in node.keys.get("Sort Key", ())]
    known = [key for key in keys if key is not None and key[0] in needs]
    if known and len(known) == len(keys) and len({key[0] for key in known}) == 1:
        need = needs[known[0][0]]
        if not need.order:
            need.order.extend((column, descending, nulls_first) for _, column, descending, nulls_first in known)
    for _, column, _, _ in known:
        needs[_alias_of(known, column)].columns.add(column)
    groups = [column_reference(text) for text in node.keys.get("Group Key", ())]
    for reference in groups:
        if reference is not None and reference[0] in needs:
            needs[reference[0]].columns.add(reference[1])
            _add(needs[reference[0]].group, reference[1])


def _alias_of(keys: list[tuple[str, str, bool, bool]], column: str) -> str:
    return next(alias for alias, name, _, _ in keys if name == column)


def _note_columns(needs: Mapping[str, Need], root: PlanNode) -> None:
    only = next(iter(needs.values())) if len(needs) == 1 else None
    top = root
    while top.node_type in _PASSES_COLUMNS_ON and len(top.children) == 1:
        top = top.children[0]
    for node in root.walk():
        is_scan = node.relation is not None
        if node is not top and (is_scan or node.node_type in _PASSES_COLUMNS_ON):
            continue
        for text in node.keys.get("Output", ()):
            for use in expression_columns(text):
                if use.alias in needs:
                    needs[use.alias].columns.add(use.column)
            if only is not None:
                only.columns.update(_bare_names(text))


def _bare_names(text: str) -> set[str]:
    """Return every identifier of a text. EXPLAIN names output columns bare where there is one relation only; what is no
    column of it (a type, a keyword) is left out when candidates are made.
    """
    return {(quoted or bare).replace('""', '"') for quoted, bare in _IDENTIFIER.findall(text)}


def _add(items: list[str], item: str) -> None:
    if item not in items:
        items.append(item)
