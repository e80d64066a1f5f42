"""Finds out which table's column a name in a statement means: aliases, joins, subqueries, common table expressions.

Approximates PostgreSQL's rules where they need more than names: what is ambiguous or unknown means no column. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from trimtab.observe.names import ColumnName, TableName

Outputs: TypeAlias = Mapping[str, ColumnName | None]
"""Output columns of a query, in order, and the table's column that each passes on."""

Known: TypeAlias = Mapping[TableName, Collection[str]]
"""Columns of tables, in order, by the table's name as written."""


class Scope:
    """The names that one query level sees, on top of those of the level around it; `level` is its number."""

    def __init__(self, known: Known, parent: Scope | None = None, level: int = 0) -> None:
        self.known = known
        self.level = level
        self._parent = parent
        self._items: dict[str, Outputs] = {}
        self._commons: dict[str, Outputs] = {}

    def add_common(self, name: str, outputs: Outputs) -> None:
        """Make a common table expression known."""
        self._commons[name] = outputs

    def add_table(self, name: TableName, alias: str | None) -> None:
        """Add a relation of FROM, or the target of a write."""
        outputs = None if name[0] else self._common(name[1])
        if outputs is None:
            outputs = {column: (*name, column) for column in self.known.get(name, ())}
        self.add(alias or name[1], outputs)

    def add(self, alias: str, outputs: Outputs) -> None:
        """Add an item of FROM under its alias."""
        self._items[alias] = outputs

    def column(self, parts: tuple[str, ...]) -> ColumnName | None:
        """Return the column that a reference means, or None."""
        scope: Scope | None = self
        while scope is not None:
            found = scope._own(parts)
            if found:
                return found[0] if len(found) == 1 else None
            scope = scope._parent
        return None

    def all_columns(self, alias: str | None) -> Outputs:
        """Return what `*` or `alias.*` stands for."""
        items = [outputs for name, outputs in self._items.items() if alias in (None, name)]
        return {name: column for outputs in items for name, column in outputs.items()}

    def _own(self, parts: tuple[str, ...]) -> list[ColumnName | None]:
        """Return every match of this level: an unqualified name may match more than one item."""
        *qualifier, name = parts
        if qualifier:
            outputs = self._items.get(qualifier[-1])
            return [outputs.get(name)] if outputs is not None else []
        return [outputs[name] for outputs in self._items.values() if name in outputs]

    def _common(self, name: str) -> Outputs | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope._commons:
                return scope._commons[name]
            scope = scope._parent
        return None
