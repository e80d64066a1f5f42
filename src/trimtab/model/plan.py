"""A query plan as EXPLAIN (FORMAT JSON) tells it: a tree of nodes, costs, rows and, when it was run, times.

Plans are compared by shape: the tree of node types, relations and indexes, without literals, aliases, costs or rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One node. `conditions` maps EXPLAIN's own names ("Filter", "Index Cond", "Hash Cond"...) to expression texts;
    `keys` does so for its lists ("Sort Key", "Group Key", "Output"). `operation` is what a ModifyTable does
    ("Delete"). `rows` is the estimate per loop; `actual_rows` and
    `loops` are None when the plan was not run. `memory_kb` is the most that it held in memory; `was_lossy` says that a
    bitmap or a cache had to forget rows for lack of it. Expressions may hold literals: for analysis, not for show.
    """

    node_type: str
    total_cost: float
    startup_cost: float
    rows: float
    schema: str | None = None
    relation: str | None = None
    alias: str | None = None
    index: str | None = None
    join_type: str | None = None
    strategy: str | None = None
    operation: str | None = None
    parent_relationship: str | None = None
    subplan_name: str | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actual_rows: float | None = None
    loops: float | None = None
    rows_removed: float = 0.0
    sort_space_kb: float = 0.0
    sort_on_disk: bool = False
    hash_batches: int = 1
    temp_blocks: int = 0
    memory_kb: float = 0.0
    was_lossy: bool = False
    children: tuple[PlanNode, ...] = ()

    def walk(self) -> Iterator[PlanNode]:
        """Yield this node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def shape(self) -> list[object]:
        """Return the node's shape: type, relation, index, join type, and the shapes of its children."""
        return [
            self.node_type,
            self.schema,
            self.relation,
            self.index,
            self.join_type,
            self.strategy,
            [child.shape() for child in self.children],
        ]


class Plan:
    """A whole plan: a value, equal to another of equal tree and figures.

    Made of its tree, or by `unread` of EXPLAIN's text, which is read when the tree is asked for: `cost` and `indexes`
    need no tree.
    """

    __slots__ = ("_facts", "_text")

    def __init__(
        self,
        root: PlanNode,
        planning_ms: float | None = None,
        execution_ms: float | None = None,
        shared_blocks: int = 0,
        shared_blocks_read: int = 0,
    ) -> None:
        self._text: str | None = None
        self._facts: _Facts | None = _Facts(root, planning_ms, execution_ms, shared_blocks, shared_blocks_read)

    @classmethod
    def unread(cls, text: str) -> Plan:
        """Return the Plan of what EXPLAIN (FORMAT JSON) printed. Raises ValueError when there is no plan in it."""
        if _COST.search(text) is None:
            raise ValueError("EXPLAIN printed no plan")
        plan = cls.__new__(cls)
        plan._text, plan._facts = text, None
        return plan

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return (self._text is not None and self._text == other._text) or self._read() == other._read()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Plan({self._read()!r})"

    @property
    def text(self) -> str | None:
        """What EXPLAIN printed, where the plan is made of that. It may hold literals: for comparing, not for show."""
        return self._text

    @property
    def root(self) -> PlanNode:
        """The topmost node."""
        return self._read().root

    @property
    def planning_ms(self) -> float | None:
        """Milliseconds of planning, where EXPLAIN told them."""
        return self._read().planning_ms

    @property
    def execution_ms(self) -> float | None:
        """Milliseconds of execution, None when the plan was not run."""
        return self._read().execution_ms

    @property
    def shared_blocks(self) -> int:
        """Blocks that the run asked of shared buffers."""
        return self._read().shared_blocks

    @property
    def shared_blocks_read(self) -> int:
        """Those of them that were not in shared buffers."""
        return self._read().shared_blocks_read

    @property
    def cost(self) -> float:
        """The planner's total cost."""
        found = None if self._text is None else _COST.search(self._text)
        return self.root.total_cost if found is None else float(found[1])

    @property
    def total_ms(self) -> float:
        """Planning plus execution time. Raises ValueError when the plan was not run."""
        if self.execution_ms is None:
            raise ValueError("the plan was not run")
        return self.execution_ms + (self.planning_ms or 0.0)

    @property
    def shape_hash(self) -> str:
        """16 hexadecimal digits that are equal for plans of equal shape."""
        return hashlib.sha256(json.dumps(self.root.shape()).encode()).hexdigest()[:16]

    @property
    def indexes(self) -> frozenset[str]:
        """Names of the indexes that the plan uses."""
        if self._text is not None:
            return frozenset(str(json.loads(name)) for name in _INDEX.findall(self._text))
        return frozenset(node.index for node in self.root.walk() if node.index)

    @property
    def relations(self) -> frozenset[tuple[str, str]]:
        """(schema, table) of every relation that the plan reads or writes. Schemas are known to VERBOSE plans only."""
        return frozenset((node.schema or "", node.relation) for node in self.root.walk() if node.relation is not None)

    def _read(self) -> _Facts:
        if self._facts is None:
            assert self._text is not None, "a plan has a tree or a text"
            self._facts = _facts(json.loads(self._text)[0])
        return self._facts


@dataclass(frozen=True, slots=True)
class _Facts:
    root: PlanNode
    planning_ms: float | None
    execution_ms: float | None
    shared_blocks: int
    shared_blocks_read: int


# In EXPLAIN's JSON a quoted name with a colon is a key: quotes inside of a value are escaped. A node tells its own cost
# before its children.
_COST = re.compile(r'"Total Cost": ([0-9.eE+-]+)')
_INDEX = re.compile(r'"Index Name": ("(?:[^"\\]|\\.)*")')

_LIST_KEYS = ("Sort Key", "Presorted Key", "Group Key", "Output")
_CONDITION_KEYS = (
    "Filter",
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "One-Time Filter",
    "TID Cond",
    "Order By",
)


def _facts(document: Mapping[str, object]) -> _Facts:
    """Return what one element of EXPLAIN's JSON array says."""
    root = _mapping(document["Plan"])
    read = _number(root.get("Shared Read Blocks"))
    return _Facts(
        root=_parse_node(root),
        planning_ms=_optional(document.get("Planning Time")),
        execution_ms=_optional(document.get("Execution Time")),
        shared_blocks=int(_number(root.get("Shared Hit Blocks")) + read),
        shared_blocks_read=int(read),
    )


def _parse_node(raw: Mapping[str, object]) -> PlanNode:
    children = raw.get("Plans") or ()
    if not isinstance(children, Sequence):
        raise KeyError("Plans")
    return PlanNode(
        node_type=str(raw["Node Type"]),
        total_cost=_number(raw.get("Total Cost")),
        startup_cost=_number(raw.get("Startup Cost")),
        rows=_number(raw.get("Plan Rows")),
        schema=_text(raw.get("Schema")),
        relation=_text(raw.get("Relation Name")),
        alias=_text(raw.get("Alias")),
        index=_text(raw.get("Index Name")),
        join_type=_text(raw.get("Join Type")),
        strategy=_text(raw.get("Strategy")),
        operation=_text(raw.get("Operation")),
        parent_relationship=_text(raw.get("Parent Relationship")),
        subplan_name=_text(raw.get("Subplan Name")),
        conditions={key: str(raw[key]) for key in _CONDITION_KEYS if key in raw},
        keys={key: _texts(raw[key]) for key in _LIST_KEYS if key in raw},
        actual_rows=_optional(raw.get("Actual Rows")),
        loops=_optional(raw.get("Actual Loops")),
        rows_removed=_number(raw.get("Rows Removed by Filter")),
        sort_space_kb=_number(raw.get("Sort Space Used")),
        sort_on_disk=raw.get("Sort Space Type") == "Disk",
        hash_batches=int(max(_number(raw.get("Hash Batches")), _number(raw.get("HashAgg Batches")), 1)),
        temp_blocks=int(_number(raw.get("Temp Written Blocks"))),
        memory_kb=max(_number(raw.get("Peak Memory Usage")), _sort_memory(raw)),
        was_lossy=_number(raw.get("Lossy Heap Blocks")) + _number(raw.get("Cache Evictions")) > 0,
        children=tuple(_parse_node(_mapping(child)) for child in children),
    )


def _sort_memory(raw: Mapping[str, object]) -> float:
    return 0.0 if raw.get("Sort Space Type") == "Disk" else _number(raw.get("Sort Space Used"))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise KeyError("Plan")
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _optional(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
