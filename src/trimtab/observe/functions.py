"""Marks the queries that call functions of which their text says nothing: the user's, and those in views and rules.

What a plan does not show must be measured, and what may have effects beyond its own rows runs in a clone alone. Judges
by names, and by the catalog's word on whether a function is volatile. Operators, casts, column defaults and triggers
are not looked into, nor are the bodies of functions. Nothing is run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from trimtab.db.connection import Connection
from trimtab.db.danger import danger_of_calls
from trimtab.db.parser import Nodes, UnreadableSqlError, parse, walk
from trimtab.model.workload import Query, Workload
from trimtab.observe.names import TableName, parts_of, relations
from trimtab.observe.reading import read
from trimtab.observe.relations import relation_oids


@dataclass(frozen=True, slots=True)
class _Function:
    """What the catalog says of the functions of one name, as written."""

    is_volatile: bool
    hides_work: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """A view's query or another rule. `nodes` are None where it cannot be read."""

    nodes: Nodes | None
    is_for_reads: bool


def with_functions(conn: Connection, workload: Workload) -> Workload:
    """Return the workload with `hides_work` and `clone_only` of its queries. Raises SourceError."""
    own = {query.id: _nodes(query.text) or () for query in workload.queries}
    named = sorted({name for nodes in own.values() for name in relations(nodes)})
    rules = _rules(conn, named) if named else {}
    reached = {query.id: _below(own[query.id], rules, is_read=query.is_read) for query in workload.queries}
    called = {name for query_id, nodes in own.items() for name in _calls((nodes, *(reached[query_id] or ())))}
    functions = _functions(conn, sorted(called)) if called else {}
    return replace(workload, queries=tuple(_marked(q, own[q.id], reached[q.id], functions) for q in workload.queries))


def _marked(query: Query, own: Nodes, below: list[Nodes] | None, functions: Mapping[TableName, _Function]) -> Query:
    if below is None:
        return replace(query, hides_work=True, clone_only="a view or rule that it uses cannot be read")
    found = {name: functions[name] for name in _calls((own, *below)) if name in functions}
    volatile = sorted(".".join(filter(None, name)) for name, function in found.items() if function.is_volatile)
    dangers = [danger for nodes in below if (danger := danger_of_calls(nodes, query.kind)) is not None]
    reason = ""
    if dangers:
        reason = f"{dangers[0].reason}, in a view or rule"
    elif volatile:
        reason = f"it calls {volatile[0]}, which is volatile: what it does is not known"
    return replace(query, hides_work=any(function.hides_work for function in found.values()), clone_only=reason)


def _rules(conn: Connection, named: Iterable[TableName]) -> Mapping[TableName, list[_Rule]]:
    """Return the rules by relation, with its schema and, where it is visible, without."""
    oids = relation_oids(conn, list(named))
    found: defaultdict[TableName, list[_Rule]] = defaultdict(list)
    for row in read(conn, "rules", (list(oids.values()),)):
        rule = _Rule(_nodes(row["definition"]), row["is_for_reads"])
        found[row["schema"], row["name"]].append(rule)
        if row["is_visible"]:
            found["", row["name"]].append(rule)
    return found


def _below(nodes: Nodes, rules: Mapping[TableName, list[_Rule]], *, is_read: bool) -> list[Nodes] | None:
    """Return the trees of the rules that the nodes reach, or None where one of them cannot be read.

    A read meets views alone; which of its tables a write writes to is not asked.
    """
    found: list[Nodes] = []
    seen: set[TableName] = set()
    waiting = list(relations(nodes))
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for rule in rules.get(name, ()):
            if is_read and not rule.is_for_reads:
                continue
            if rule.nodes is None:
                return None
            found.append(rule.nodes)
            waiting.extend(relations(rule.nodes))
    return found


def _functions(conn: Connection, called: Iterable[TableName]) -> Mapping[TableName, _Function]:
    schemas, names = zip(*called, strict=True)
    return {
        (row["schema"], row["name"]): _Function(row["is_volatile"], row["hides_work"])
        for row in read(conn, "called_functions", (list(schemas), list(names)))
    }


def _calls(trees: Iterable[Nodes]) -> set[TableName]:
    """Return (schema, name) of the functions that trees call, as written."""
    parts = (parts_of(fields.get("funcname")) for nodes in trees for kind, fields in nodes if kind == "FuncCall")
    return {("", *names)[-2:] for names in parts if names}  # type: ignore[misc]


def _nodes(text: str) -> Nodes | None:
    try:
        return tuple(node for tree in parse(text) for node in walk(tree))
    except UnreadableSqlError:
        return None
