"""Reads what the twin's statistics know of the columns of indexes, for the size model. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.twin.size import IndexedColumn


@dataclass(slots=True)
class IndexColumns:
    """The columns of one index, and the numbers of distinct groups of its table's columns that are known."""

    keys: list[IndexedColumn] = field(default_factory=list)
    included: list[IndexedColumn] = field(default_factory=list)
    groups: dict[frozenset[int], float] = field(default_factory=dict)


def index_columns(connection: Connection, oids: Sequence[int]) -> dict[int, IndexColumns]:
    """Return the columns of these indexes of the twin, by the index's oid."""
    found = {oid: IndexColumns() for oid in oids}
    version = connection.info.server_version
    for row in connection.execute(queries.load("twin_index_columns", version), (list(oids),)):
        oid, is_key, number, width, is_variable, alignment, null_share, distinct, common_share, common_values = row
        column = IndexedColumn(
            width=float(width),
            alignment=alignment,
            null_share=null_share,
            distinct=distinct,
            is_variable=is_variable,
            common_share=common_share,
            common_values=common_values,
            number=number,
        )
        (found[oid].keys if is_key else found[oid].included).append(column)
    for oid, text in connection.execute(queries.load("twin_groups", version), (list(oids),)):
        for numbers, count in json.loads(text).items():
            found[oid].groups[frozenset(int(number) for number in numbers.split(","))] = float(count)
    return found
