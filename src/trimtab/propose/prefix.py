"""B-trees for texts by how they begin: LIKE 'abc%' and the like, which an index in a language's order cannot serve.

A rule looks at the pattern; whether the server has the operator class for the type, the server says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trimtab.db.sql import Condition
from trimtab.model.catalog import Table
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.context import Limits
from trimtab.propose.needs import Need
from trimtab.propose.plain import may_be_key

_BEGINNINGS = {"~~": re.compile(r"[^%_\\]"), "~": re.compile(r"\^\w"), "^@": re.compile(r".")}


def prefix_candidates(need: Need, table: Table, limits: Limits) -> Iterator[Candidate]:
    """Yield B-trees in the order of bytes over what patterns with a known beginning are matched with."""
    equal = tuple(Key(column) for column in need.equality if may_be_key(table.column(column)))
    for condition in need.conditions:
        key = _key(condition, table) if begins_known(condition) else None
        for keys in ((key,), (*equal, key)) if key is not None else ():
            if len(keys) <= limits.max_key_columns:
                yield Candidate(table.schema, table.name, keys, rule="prefix")


def begins_known(condition: Condition) -> bool:
    """True for a pattern that tells how the text begins."""
    pattern = _BEGINNINGS.get(condition.operator)
    return pattern is not None and condition.literal is not None and pattern.match(condition.literal) is not None


def _key(condition: Condition, table: Table) -> Key | None:
    if condition.column is None:
        return Key(expression=condition.operand, operator_class="pg_catalog.text_pattern_ops")
    column = table.column(condition.column)
    if column is None or not may_be_key(column):
        return None
    is_padded = column.type_name.startswith(("character(", "bpchar", '"char"'))
    return Key(column.name, operator_class=f"pg_catalog.{'bpchar' if is_padded else 'text'}_pattern_ops")
