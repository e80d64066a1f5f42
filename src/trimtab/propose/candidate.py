"""An index that could be made, as a value: what it holds, its definition, and what brought it.

Decides nothing: the rules make candidates, the planner judges them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from trimtab.model.change import CreateIndex, qualified, quote_identifier
from trimtab.propose.names import object_name


@dataclass(frozen=True, slots=True)
class Origin:
    """What brought a candidate: the rule's name, and the ids of the queries for which it was thought of."""

    rule: str
    query_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its direction: a column by name, or else an expression in the server's own words.

    `operator_class` is as CREATE INDEX writes it, "" for the default.
    """

    column: str = ""
    descending: bool = False
    nulls_first: bool = False
    expression: str = ""
    operator_class: str = ""

    def sql(self) -> str:
        """Return it as CREATE INDEX writes it; NULLS is written only where it is not the direction's default."""
        text = quote_identifier(self.column) if self.column else f"({self.expression})"
        if self.operator_class:
            text += f" {self.operator_class}"
        text += " DESC" if self.descending else ""
        if self.nulls_first != self.descending:
            text += " NULLS FIRST" if self.nulls_first else " NULLS LAST"
        return text

    def backward(self) -> Key:
        """Return the key as a backward scan reads it."""
        return Key(self.column, not self.descending, not self.nulls_first, self.expression, self.operator_class)


Keys: TypeAlias = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that could be made: its keys, the columns that it holds beside them, and the rows that it is over.

    `predicate` are conditions in the server's own words, all of which hold for the rows in it; () is all rows.
    `pages_per_range` is BRIN's. `rule` names what brought it, and does not make it another index.
    """

    schema: str
    table: str
    keys: Keys
    included: tuple[str, ...] = ()
    method: str = "btree"
    predicate: tuple[str, ...] = ()
    pages_per_range: int | None = None
    rule: str = field(default="columns", compare=False)

    @property
    def columns(self) -> frozenset[str]:
        """All columns that it holds, those in expressions left out."""
        return frozenset(name for name in (*(key.column for key in self.keys), *self.included) if name)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of `Limits.kinds` that it is at once."""
        marks = {
            "include": bool(self.included),
            "partial": bool(self.predicate),
            "expression": any(key.expression for key in self.keys),
        }
        return frozenset([self.method, *(kind for kind, is_so in marks.items() if is_so)])

    @property
    def is_plain(self) -> bool:
        """True for a B-tree over columns of all rows, in their types' own order."""
        return self.kinds <= {"btree", "include"} and not any(key.operator_class for key in self.keys)

    def does_all_of(self, other: Candidate) -> bool:
        """True when whatever the other one serves, this one serves too, by a wider entry.

        Only B-trees over the same rows stand in for each other.
        """
        return (
            (self.schema, self.table, self.predicate) == (other.schema, other.table, other.predicate)
            and self.method == other.method == "btree"
            and self.keys[: len(other.keys)] == other.keys
            and other.columns <= self.columns
        )

    @property
    def tail(self) -> str:
        """The definition from USING on."""
        tail = f"USING {self.method} (" + ", ".join(key.sql() for key in self.keys) + ")"
        if self.included:
            tail += " INCLUDE (" + ", ".join(quote_identifier(column) for column in self.included) + ")"
        if self.pages_per_range is not None:
            tail += f" WITH (pages_per_range = {self.pages_per_range})"
        if self.predicate:
            tail += " WHERE " + " AND ".join(f"({condition})" for condition in self.predicate)
        return tail

    def change(self, prefix: str) -> CreateIndex:
        """Return the change that makes it. Equal candidates have equal names, others have others."""
        columns = tuple(key.column for key in self.keys)
        marks = (
            *(() if self.method == "btree" else (self.method,)),
            *(("incl",) if self.included else ()),
            *(("part",) if self.predicate else ()),
        )
        words = (self.table, *(column or "expr" for column in columns), *marks)
        name = object_name(prefix, words, f"{qualified(self.schema, self.table)} {self.tail}")
        return CreateIndex(self.schema, self.table, name, self.tail, columns, self.included)
