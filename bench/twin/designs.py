"""The indexes of the benchmark, as data: a line of `designs/*.txt` is a table, an access method, and columns.

`candidates_*.txt` are what an adviser would try for the workload; `sizes_*.txt` are the published list of sizes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trimtab.model.change import CreateIndex

EXPRESSION = "expression"
DATABASES = ("tpch", "tpcds", "shop")
_FOLDER = Path(__file__).parent / "designs"
_LINE = re.compile(r"(?P<table>\w+) (?P<tail>(?P<method>\w+) (?P<rest>.*))")
_CALL = re.compile(r"\(\(|\w+\(")


@dataclass(frozen=True, slots=True)
class Design:
    """One index. `method` is its access method; `kind` says more for B-trees: plain, include, partial, expression."""

    database: str
    method: str
    kind: str
    change: CreateIndex

    @property
    def definition(self) -> str:
        """The definition without the index's name."""
        return definition(self.change)


def definition(change: CreateIndex) -> str:
    """Return an index's table, access method and columns."""
    return f"{change.table} {change.tail.removeprefix('USING ')}"


@cache
def candidates(database: str) -> tuple[Design, ...]:
    """Return the candidate indexes of the database's workload."""
    return _read(database, "candidates")


@cache
def sizes(database: str) -> tuple[Design, ...]:
    """Return the database's part of the published list of sizes."""
    return _read(database, "sizes")


def _read(database: str, what: str) -> tuple[Design, ...]:
    lines = (_FOLDER / f"{what}_{database}.txt").read_text().splitlines()
    texts = [line.strip() for line in lines if line.strip() and not line.startswith("--")]
    return tuple(_design(database, what, number, text) for number, text in enumerate(texts, 1))


def _design(database: str, what: str, number: int, text: str) -> Design:
    found = _LINE.fullmatch(text)
    if found is None:
        raise SystemExit(f"not a design: {text}")
    table, method, rest = found["table"], found["method"], found["rest"]
    name = f"{what}_{number:02}"
    change = CreateIndex("public", table, name, f"USING {found['tail']}", key_columns=())
    return Design(database, method, method if method != "btree" else _kind(rest), change)


def _kind(rest: str) -> str:
    if _CALL.search(rest.partition(" WHERE ")[0]):
        return EXPRESSION
    if " WHERE " in rest:
        return "partial"
    return "include" if " INCLUDE " in rest else "plain"
