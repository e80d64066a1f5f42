"""What a store knows of a statement: its number, which query it is, its text without literals. Values alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from trimtab.model.traffic import StatementKey


class Label(NamedTuple):
    """Who a statement is, in short: the id of its query, whether it is the workload's, when it was seen first."""

    name: str
    is_workload: bool
    first_ns: int


@dataclass(frozen=True, slots=True)
class KnownStatement:
    """A statement that was seen: its number in this store, its id, its text without literals ("" where unknown)."""

    number: int
    key: StatementKey
    name: str
    text: str
    is_workload: bool
    first_ns: int
    seen_ns: int

    @property
    def label(self) -> Label:
        """Who it is, in short."""
        return Label(query_name(self.name, self.key[1]), self.is_workload, self.first_ns)


def query_name(name: str, query_id: int) -> str:
    """Return the id of a statement's query: ours, or the server's where its text is not known."""
    return name or f"statement {query_id}"


def statement_of(row: Any) -> KnownStatement:
    """Return the statement of a row."""
    key = (row.role_oid, row.query_id, bool(row.is_top_level))
    return KnownStatement(row.number, key, row.name, row.text, bool(row.is_workload), row.first_ns, row.seen_ns)
