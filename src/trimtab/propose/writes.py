"""What one more index costs a workload: an entry for each row that is written, the HOT updates that it ends, and the
planner a look at it for each query of its table.

The prices are those that `python -m bench.writes` measures. They are a prior, for choosing; the trial measures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.db.parser import UnreadableSqlError, parse, walk
from trimtab.model.catalog import Table
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.propose.candidate import Candidate

# ms for each entry. A GIN index puts its entries off; who then takes them over pays more.
ENTRY_MS = {"btree": 0.008, "hash": 0.008, "gin": 0.012, "gist": 0.05, "spgist": 0.05, "brin": 0.0005}
# ms for each statement that writes: every index is opened.
STATEMENT_MS = 0.01
# ms for each planning of a query on its table.
PLANNING_MS = 0.0015


@dataclass(frozen=True, slots=True)
class Write:
    """What one query writes to one table: rows each time, how often, and for an UPDATE the columns that it sets."""

    query_id: str
    schema: str
    table: str
    operation: str
    rows: float
    weight: float
    columns: frozenset[str] = frozenset()


def writes_of(queries: Iterable[Query], plan_of: Mapping[str, Plan]) -> list[Write]:
    """Return what the queries write that leaves entries in indexes, as their plans expect it."""
    found = []
    for query in queries:
        for node in plan_of[query.id].root.walk():
            if node.node_type == "ModifyTable" and node.operation != "Delete" and node.schema and node.relation:
                rows = max([1.0, *(child.rows for child in node.children)])
                columns = _columns_set(query.text)
                found.append(
                    Write(query.id, node.schema, node.relation, node.operation or "", rows, query.weight, columns)
                )
    return found


def write_ms(candidate: Candidate, table: Table, writes: Sequence[Write]) -> float:
    """Return the weighted ms that the index is expected to add to the writes of its table."""
    entry = ENTRY_MS.get(candidate.method, max(ENTRY_MS.values()))
    held = held_columns(candidate)
    hot = table.hot_updates / table.updates if table.updates else 0.0
    total = 0.0
    for write in writes:
        if (write.schema, write.table) != (table.schema, table.name):
            continue
        each = entry
        if write.operation == "Update" and not held & write.columns:
            each = entry * (1 - hot)
        elif write.operation == "Update" and candidate.method != "brin":
            # What was HOT so far now leaves an entry in every index of the table.
            each += hot * sum(ENTRY_MS.get(index.method, entry) for index in table.indexes)
        total += write.weight * (STATEMENT_MS + write.rows * each)
    return total


def planning_ms(queries: Iterable[Query], plan_of: Mapping[str, Plan]) -> dict[tuple[str, str], float]:
    """Return the weighted ms that any index on a table is expected to add to planning, by (schema, table).

    Each execution counts as planned: who prepares statements pays less.
    """
    found: dict[tuple[str, str], float] = {}
    for query in queries:
        for relation in plan_of[query.id].relations:
            found[relation] = found.get(relation, 0.0) + query.weight * PLANNING_MS
    return found


def own_ms(write: Write, table: Table) -> float:
    """Return the weighted ms that the write costs now by the same prices: its entries in the table and its indexes.

    What it costs to find the rows is left out, so it is rather too little.
    """
    hot = table.hot_updates / table.updates if table.updates and write.operation == "Update" else 0.0
    entries = [ENTRY_MS.get(index.method, max(ENTRY_MS.values())) for index in table.indexes]
    each = ENTRY_MS["btree"] + (1 - hot) * sum(entries)
    return write.weight * (STATEMENT_MS * (1 + len(entries)) + write.rows * each)


def held_columns(candidate: Candidate) -> frozenset[str]:
    """Return the columns on whose values the index's entries depend, those in expressions and the predicate too."""
    texts = [*(key.expression for key in candidate.keys if key.expression), *candidate.predicate]
    found = set(candidate.columns)
    for text in texts:
        for kind, node in (pair for tree in parse(f"SELECT {text}") for pair in walk(tree)):
            fields = node.get("fields") if kind == "ColumnRef" else None
            assert isinstance(fields, list | None), "a list of fields"
            found.update(str(field["String"]["sval"]) for field in fields or () if "String" in field)
    return frozenset(found)


def _columns_set(text: str) -> frozenset[str]:
    """Return the names of all columns that the statement's UPDATE parts set."""
    try:
        trees = parse(text)
    except UnreadableSqlError:
        return frozenset()
    found = set()
    for kind, node in (pair for tree in trees for pair in walk(tree)):
        if kind in ("UpdateStmt", "OnConflictClause", "MergeWhenClause"):
            targets = node.get("targetList")
            assert isinstance(targets, list | None), "a list of targets"
            found |= {str(t["ResTarget"].get("name")) for t in targets or () if "ResTarget" in t}
    return frozenset(found)
