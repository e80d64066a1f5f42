"""Tells the workload from what Trimtab, drivers and monitoring send: marked texts and queries of system catalogs only.

Servers from 18 on strip a comment at the beginning of a text, so the marker alone does not tell. What Trimtab runs on a
source reads the catalog, is a utility statement, or has its marker further on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from trimtab.db.connection import Connection
from trimtab.db.parser import Node, UnreadableSqlError, parse, walk
from trimtab.observe.names import parts_of, relations
from trimtab.observe.reading import read

_MARKER = "/* trimtab"
_MOST_KEPT_CHARACTERS = 8_192
_SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema", "pg_toast"})


@dataclass(frozen=True, slots=True)
class SystemNames:
    """What is not the user's: (schema, name) of relations and names of functions, PostgreSQL's and extensions'."""

    relations: frozenset[tuple[str, str]]
    functions: frozenset[str]

    def has_relation(self, schema: str, name: str) -> bool:
        """Return whether a relation, written with or without a schema, is not the user's."""
        if schema:
            return schema in _SYSTEM_SCHEMAS or (schema, name) in self.relations
        return ("", name) in self.relations


def read_system_names(conn: Connection) -> SystemNames:
    """Return the names in this database. Raises SourceError."""
    rows = [(row["schema"], row["name"]) for row in read(conn, "system_relations")]
    # The views of information_schema are never meant without their schema, since it is on nobody's search_path.
    unqualified = [("", name) for schema, name in rows if schema != "information_schema"]
    functions = frozenset(row["name"] for row in read(conn, "system_functions"))
    return SystemNames(frozenset(rows + unqualified), functions)


def is_marked(text: str) -> bool:
    """Return whether a statement says of itself that it is Trimtab's."""
    return _MARKER in text


def is_own(text: str, system: SystemNames) -> bool:
    """Return whether a statement is marked as Trimtab's, or uses no relation and no function of the user's."""
    if is_marked(text):
        return True
    used = _kept(text) if len(text) <= _MOST_KEPT_CHARACTERS else _used(text)
    if used is None:
        return False
    touched, calls = used
    if touched:
        return all(system.has_relation(schema, name) for schema, name in touched)
    return all(_is_system_call(fields, system) for fields in calls)


def _used(text: str) -> tuple[frozenset[tuple[str, str]], tuple[Node, ...]] | None:
    """Return the relations and the calls of a statement, None where it cannot be read."""
    try:
        nodes = [node for tree in parse(text) for node in walk(tree)]
    except UnreadableSqlError:
        return None
    return frozenset(relations(nodes)), tuple(fields for kind, fields in nodes if kind == "FuncCall")


_kept = lru_cache(maxsize=1024)(_used)


def _is_system_call(call: Node, system: SystemNames) -> bool:
    parts = parts_of(call.get("funcname"))
    return parts[:-1] == ("pg_catalog",) or (len(parts) == 1 and parts[0] in system.functions)
