"""Reads what the twin's statistics know of the columns of indexes, for the size models. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.twin.size import TRIED_WIDTHS, IndexedColumn

_ENDS, _ENDS_WITH_NULL = 2, 3
"""The shares of the most common elements end with the least and the greatest, and for arrays with that of NULL."""


@dataclass(slots=True)
class IndexColumns:
    """The columns of one index, and the numbers of distinct groups of its table's columns that are known.

    `expressions` are the key columns as SQL of the table's; `classes` are (schema, name) of their operator classes.
    """

    keys: list[IndexedColumn] = field(default_factory=list)
    included: list[IndexedColumn] = field(default_factory=list)
    groups: dict[frozenset[int], float] = field(default_factory=dict)
    expressions: list[str] = field(default_factory=list)
    classes: list[tuple[str, str]] = field(default_factory=list)


def index_columns(connection: Connection, oids: Sequence[int], *, with_widths: bool = False) -> dict[int, IndexColumns]:
    """Return the columns of these indexes of the twin, by the index's oid.

    `with_widths` takes longer: it looks at the values in histograms.
    """
    found = {oid: IndexColumns() for oid in oids}
    version = connection.info.server_version
    for row in connection.execute(queries.load("twin_index_columns", version), (list(oids),)):
        oid, is_key, number, width, is_variable, alignment, null_share, distinct, frequencies, *other = row
        name, schema, stored_width, elements, element_count, options, expression = other
        ends = _ENDS_WITH_NULL if element_count else _ENDS
        column = IndexedColumn(
            width=float(width),
            alignment=alignment,
            null_share=null_share,
            distinct=distinct,
            is_variable=is_variable,
            common_share=sum(frequencies),
            common_values=len(frequencies),
            number=number,
            operator_class=name,
            options=dict(option.split("=", 1) for option in options),
            stored_width=float(stored_width),
            frequencies=tuple(frequencies),
            elements=tuple(elements[:-ends]),
            element_count=element_count,
        )
        columns = found[oid]
        (columns.keys if is_key else columns.included).append(column)
        if is_key:
            columns.expressions.append(expression)
            columns.classes.append((schema, name))
    for oid, text in connection.execute(queries.load("twin_groups", version), (list(oids),)):
        for numbers, count in json.loads(text).items():
            found[oid].groups[frozenset(int(number) for number in numbers.split(","))] = float(count)
    if with_widths:
        for oid, position, *known in connection.execute(queries.load("twin_index_widths", version), (list(oids),)):
            keys, included = found[oid].keys, found[oid].included
            part, place = (keys, position - 1) if position <= len(keys) else (included, position - 1 - len(keys))
            part[place] = replace(part[place], widths=_widths(part[place].null_share, *known))
    return found


def _widths(
    null_share: float, common: Sequence[int], shares: Sequence[float], others: Sequence[int]
) -> tuple[int, ...]:
    """Return TRIED_WIDTHS widths, as many of each as its share of the values, those of a histogram being equal."""
    rest = max(1.0 - null_share - sum(shares), 0.0) if others else 0.0
    weighted = [*zip(common, shares, strict=True), *((width, rest / len(others)) for width in others)]
    total, found, reached = sum(weight for _, weight in weighted), list[int](), 0.0
    for width, weight in weighted:
        reached += weight
        found += [width] * (round(TRIED_WIDTHS * reached / total) - len(found))
    return tuple(found)
