"""What each query asks of each table that it reads, as the planner sees it: filters, joins, orders, groups, columns.

Read from EXPLAIN (VERBOSE) plans, where names are resolved, views expanded and constants folded; never from words in
the query's text. An expression never counts as its column: what is asked of expressions stands by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from trimtab.db.sql import (
    ColumnUse,
    Condition,
    OrderTerm,
    alternatives,
    column_reference,
    conditions,
    expression_columns,
    order_terms,
    sort_key,
)
from trimtab.model.plan import Plan, PlanNode

_T = TypeVar("_T")

OrderKey: TypeAlias = tuple[str, bool, bool]
"""A column to sort by: its name, whether it descends, whether NULLs come first."""

# Below these the planner may let a scan hand up whole rows, because that costs nothing there (use_physical_tlist). The
# first kind computes something, so that what it needs shows in its own lists; the second hands on what it gets.
_TAKES_WHOLE_ROWS = frozenset(
    {"Aggregate", "Group", "Nested Loop", "Hash Join", "Merge Join", "Result", "ProjectSet", "SetOp"}
)
_HANDS_ON = frozenset({"Limit", "LockRows", "Unique"})
# Their filters are on what they computed.
_FILTERS_RESULTS = frozenset({"Aggregate", "Group", "WindowAgg"})
_BARE = re.compile(r"""'(?:[^']|'')*' | "((?:[^"]|"")+)" | (?<!::)\b([^\W\d]\w*)\b(?!\s*[.(])""", re.VERBOSE)
DISTANCE = "<->"
_FIXES = frozenset({"=", "= any", "is null", "is true", "is false"})
RANGES = frozenset({"<", "<=", ">", ">="})
_EXTREME = re.compile(r"(?:min|max)\((.+)\)")


@dataclass(slots=True)
class Need:
    """What one query asks of one scanned relation. Lists keep the plan's order and hold each column once.

    `columns` are all that the scan must return, system columns included, and "*" where the whole row is wanted. `index`
    is the one that the plan scans in its order. `conditions` are all that the plan asks of the relation, and
    `scan_conditions` those that the scan itself checks, so that they hold for every row that counts; `terms` are the
    first sort and group keys that are expressions. `alternatives` are the columns that the branches of an OR ask for,
    those for equality first: an index on each list serves them together.
    """

    schema: str
    table: str
    alias: str
    index: str | None = None
    equality: list[str] = field(default_factory=list)
    range: list[str] = field(default_factory=list)
    join: list[tuple[str, str]] = field(default_factory=list)
    orders: list[tuple[OrderKey, ...]] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    conditions: list[Condition] = field(default_factory=list)
    scan_conditions: list[Condition] = field(default_factory=list)
    terms: list[OrderTerm] = field(default_factory=list)
    alternatives: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def join_columns(self) -> list[str]:
        """Columns that join to other relations."""
        return list(dict.fromkeys(column for _, column in self.join))


def needs_of(plan: Plan) -> list[Need]:
    """Return what the plan's query asks of each relation that it scans."""
    reader = _Reader(plan.root)
    for node in plan.root.walk():
        for text in node.conditions.values():
            for use in expression_columns(text):
                for alias, column in reader.named(node, use.alias, use.column):
                    reader.note_condition(replace(use, alias=alias, column=column))
            if node.node_type not in _FILTERS_RESULTS:
                for condition in conditions(text):
                    reader.note_operand(node, condition)
                for branches in alternatives(text):
                    reader.note_branches(branches)
        reader.note_order(node)
        reader.note_groups(node)
    for text in _needed_outputs(plan.root):
        reader.note_output(text)
    return list(reader.needs.values())


class _Reader:
    """Collects the needs of one plan, by alias."""

    def __init__(self, root: PlanNode) -> None:
        self.needs: dict[str, Need] = {}
        for node in root.walk():
            if _is_scan(node):
                assert node.schema is not None
                assert node.relation is not None
                assert node.alias is not None
                scanned = Need(node.schema, node.relation, node.alias, node.index)
                self.needs.setdefault(node.alias, scanned)
        self._members = _members(root, self.needs)
        self._renamed = [*_appended(root), *_selected(root)]
        outputs = [text for node in root.walk() for text in node.keys.get("Output", ())]
        has_aliases = any(expression_columns(text) for text in outputs)
        # EXPLAIN names columns bare in output lists where the query knows one relation only.
        self._only = next(iter(self.needs.values())) if len(self.needs) == 1 and not has_aliases else None

    def _of(self, alias: str) -> tuple[Need, ...]:
        """Return the needs that an alias means: that of a partitioned table means those of its partitions."""
        need = self.needs.get(alias)
        return (need,) if need is not None else self._members.get(alias, ())

    def named(self, node: PlanNode, alias: str, column: str) -> Iterator[tuple[str, str]]:
        """Yield the column that a node names, and those that stand in its place where what is below goes by its name.

        That is so where rows were appended, and where a subquery was left as it is.
        """
        found = [(alias, column)]
        for one in found:
            yield one
            for below, others in self._renamed:
                if id(node) not in below:
                    found += [other for other in others.get(one, ()) if other not in found]

    def note_condition(self, use: ColumnUse) -> None:
        for need in self._of(use.alias):
            need.columns.add(use.column)
            match use.role:
                # A negated equality is that of a boolean with false.
                case "equality":
                    _add(need.equality, use.column)
                case "null_test":
                    _add(need.range if use.is_negated else need.equality, use.column)
                case "range":
                    _add(need.range, use.column)
                case "join" if use.other_alias is not None and (use.other_alias, use.column) not in need.join:
                    need.join.append((use.other_alias, use.column))

    def note_operand(self, node: PlanNode, condition: Condition) -> None:
        for need in self._of(condition.alias):
            _add(need.conditions, condition)
            if _is_scan(node) and node.alias == need.alias:
                _add(need.scan_conditions, condition)

    def note_branches(self, branches: Sequence[Sequence[Condition]]) -> None:
        """Keep the columns of an OR's branches, where each has some."""
        keys = [_columns(branch) for branch in branches]
        for need in self._of(branches[0][0].alias) if all(keys) else ():
            for columns in keys:
                _add(need.alternatives, columns)

    def _note_term(self, keys: Sequence[str]) -> None:
        term = order_terms(keys[0]) if keys else None
        if term is not None and term.column is None:
            for need in self._of(term.alias):
                _add(need.terms, term)
            for condition in conditions(keys[0]):
                if condition.operator == DISTANCE:
                    for need in self._of(condition.alias):
                        _add(need.conditions, condition)

    def note_order(self, node: PlanNode) -> None:
        """Keep the first sort keys, as far as they are columns of one relation: the rest can be sorted in steps."""
        self._note_term(node.keys.get("Sort Key", ()))
        keys = [sort_key(text) for text in node.keys.get("Sort Key", ())]
        for known in keys:
            if known is not None:
                self._note_column(known[0], known[1])
        orders: dict[str, list[OrderKey]] = {}
        for place, key in enumerate(keys):
            if key is None:
                break
            for alias, column in self.named(node, *key[:2]):
                if len(orders.setdefault(alias, [])) == place:
                    orders[alias].append((column, *key[2:]))
        for alias, order in orders.items():
            for need in self._of(alias) if order else ():
                _add(need.orders, tuple(order))

    def note_groups(self, node: PlanNode) -> None:
        self._note_term(node.keys.get("Group Key", ()))
        for text in node.keys.get("Group Key", ()):
            reference = column_reference(text)
            for alias, column in () if reference is None else self.named(node, *reference):
                self._note_column(alias, column)
                for need in self._of(alias):
                    _add(need.group, column)
        if node.node_type == "Aggregate" and node.strategy == "Plain":
            self._note_extremes(node)

    def _note_extremes(self, node: PlanNode) -> None:
        """The least or greatest value of a column is the first one of an order."""
        for text in node.keys.get("Output", ()):
            match = _EXTREME.fullmatch(text)
            if match is None:
                continue
            reference = column_reference(match[1])
            bare = _BARE.fullmatch(match[1])
            if reference is not None:
                for need in self._of(reference[0]):
                    _add(need.orders, ((reference[1], False, False),))
            elif bare is not None and self._only is not None:
                _add(self._only.orders, ((_name(bare), False, False),))

    def note_output(self, text: str) -> None:
        for use in expression_columns(text):
            self._note_column(use.alias, use.column)
        if text.endswith(".*"):
            self._note_column(text[:-2].strip('"').replace('""', '"'), "*")
        if self._only is not None:
            # What is no column of the table (a keyword, a type) is left out when candidates are made.
            self._only.columns.update(name for match in _BARE.finditer(text) if (name := _name(match)))

    def _note_column(self, alias: str, column: str) -> None:
        for need in self._of(alias):
            need.columns.add(column)


def _columns(branch: Sequence[Condition]) -> tuple[str, ...]:
    """Return the columns that conditions fix, and one that they compare by range."""
    fixed = [c.column for c in branch if c.column is not None and c.operator in _FIXES]
    ranged = [c.column for c in branch if c.column is not None and c.operator in RANGES and c.column not in fixed]
    return tuple(dict.fromkeys((*fixed, *ranged[:1])))


def _is_scan(node: PlanNode) -> bool:
    return bool(node.relation and node.schema and node.alias) and node.node_type != "ModifyTable"


def _members(root: PlanNode, needs: Mapping[str, Need]) -> dict[str, tuple[Need, ...]]:
    """Return the partitions' needs by the alias of the table above them: EXPLAIN calls those of `e` e_1, e_2..."""
    found: dict[str, dict[str, Need]] = {}
    for node in root.walk():
        if node.node_type in ("Append", "Merge Append"):
            for scan in node.walk():
                stem, _, number = (scan.alias or "").rpartition("_")
                if _is_scan(scan) and stem and number.isdecimal() and stem not in needs:
                    assert scan.alias is not None
                    found.setdefault(stem, {})[scan.alias] = needs[scan.alias]
    return {stem: tuple(members.values()) for stem, members in found.items()}


_Renamed: TypeAlias = tuple[frozenset[int], dict[tuple[str, str], list[tuple[str, str]]]]
"""The ids of the nodes below, and what each name of the nodes above stands for there."""


def _appended(root: PlanNode) -> Iterator[_Renamed]:
    """Yield, for what is appended, what stands in each column's place in other members.

    Nodes above call what comes of all members, as UNION ALL makes it, by the first one's names.
    """
    for node in root.walk():
        if node.node_type in ("Append", "Merge Append") and node.children:
            first, *rest = ([column_reference(t) for t in c.keys.get("Output", ())] for c in node.children)
            found: dict[tuple[str, str], list[tuple[str, str]]] = {}
            for place, column in enumerate(first):
                others = [outputs[place] for outputs in rest if place < len(outputs)]
                if column is not None:
                    found[column] = [other for other in others if other is not None and other != column]
            yield frozenset(id(below) for below in node.walk()), found


def _selected(root: PlanNode) -> Iterator[_Renamed]:
    """Yield, for a subquery that stayed one, as the arms of a UNION may, what its columns are below.

    It gives all columns of what is below, in that order, or some, and then only equal names tell which.
    """
    for node in root.walk():
        if node.node_type == "Subquery Scan" and node.alias is not None and len(node.children) == 1:
            texts = node.keys.get("Output", ())
            columns = [column_reference(text) for text in node.children[0].keys.get("Output", ())]
            found: dict[tuple[str, str], list[tuple[str, str]]] = {}
            for column in columns:
                if column is not None:
                    found.setdefault((node.alias, column[1]), []).append(column)
            found = {name: same for name, same in found.items() if len(same) == 1}
            for text, column in zip(texts, columns, strict=False) if len(texts) == len(columns) else ():
                names = {(use.alias, use.column) for use in expression_columns(text)}
                if column is not None and len(names) == 1:
                    found[names.pop()] = [column]
            yield frozenset(id(below) for below in node.children[0].walk()), found


def _needed_outputs(node: PlanNode, *, is_exact: bool = True) -> Iterator[str]:
    """Yield the output entries of the nodes that return no more than what is needed above them."""
    hands_on = node.node_type in _HANDS_ON
    if is_exact or not (hands_on or _is_scan(node)):
        yield from node.keys.get("Output", ())
    for child in node.children:
        is_plan_of_its_own = child.parent_relationship in ("InitPlan", "SubPlan", "Subquery")
        exact_below = is_exact if hands_on else node.node_type not in _TAKES_WHOLE_ROWS
        yield from _needed_outputs(child, is_exact=is_plan_of_its_own or exact_below)


def _name(match: re.Match[str]) -> str:
    return (match[1] or match[2] or "").replace('""', '"')


def _add(items: list[_T], item: _T) -> None:
    if item not in items:
        items.append(item)
