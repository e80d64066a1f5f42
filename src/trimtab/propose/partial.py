"""B-trees over a part of the rows: what a query asks of constants becomes the predicate, the rest the keys.

Only conditions that the query holds for any parameters make predicates: what was a `$n` does not. A value makes one
where its column has few, as a status has, and so does whatever several queries ask in the same words: what one alone
asks may be another constant tomorrow. How large the part is, the what-if planner knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from trimtab.db.sql import Condition
from trimtab.model.catalog import Table
from trimtab.propose.candidate import Candidate, Key, Keys
from trimtab.propose.context import Limits
from trimtab.propose.expressions import expression_keys
from trimtab.propose.needs import RANGES, Need
from trimtab.propose.plain import covering, key_lists, may_be_key

# By themselves, and all together.
MAX_CONDITIONS, MAX_TOGETHER = 3, 6
MAX_KEY_LISTS = 4
# A column with more values than this names things; one with fewer says in which state they are.
MAX_STATES = 32
_STATES = frozenset({"is null", "is not null", "is true", "is false"})
_VALUES = frozenset({"=", "= any", "<>"})
_SHARED = _VALUES | RANGES | {"or"}


def partial_candidates(
    need: Need, table: Table, limits: Limits, constant: frozenset[str], shared: frozenset[str]
) -> Iterator[Candidate]:
    """Yield B-trees over the rows that satisfy one of the need's constant conditions, or all of them."""
    known = [c for c in need.scan_conditions if c.predicate in constant and c.against == "constant"]
    usable = [c for c in known if _is_of_few(c, table) or (c.predicate in shared and c.operator in _SHARED)]
    every = tuple(usable[:MAX_TOGETHER])
    # A range is mostly one of two ends: neither makes a part of its own.
    first = tuple(condition for condition in usable if condition.operator not in RANGES)[:MAX_CONDITIONS]
    for chosen in dict.fromkeys(filter(None, (every, first, *((condition,) for condition in first)))):
        predicate = tuple(sorted({condition.predicate for condition in chosen if condition.predicate}))
        for keys in _keys(need, table, limits, chosen):
            for included in ((), covering(table, keys, need.columns, limits)):
                if included is not None:
                    yield Candidate(table.schema, table.name, keys, included, predicate=predicate, rule="partial")


def _is_of_few(condition: Condition, table: Table) -> bool:
    """True when it asks for a state, or for a value of few."""
    column = None if condition.column is None else table.column(condition.column)
    if column is None:
        return False
    has_few_values = column.distinct_values is not None and 0 < column.distinct_values <= MAX_STATES
    return condition.operator in _STATES or (condition.operator in _VALUES and has_few_values)


def _keys(need: Need, table: Table, limits: Limits, chosen: Sequence[Condition]) -> Iterator[Keys]:
    """Yield what the rest of the need asks for, or else the predicate's own column, which costs little."""
    told = {condition.column for condition in chosen}
    ranged = {condition.column for condition in need.conditions if condition.operator in RANGES}
    rest = replace(
        need,
        equality=[column for column in need.equality if column not in told],
        range=[column for column in need.range if column not in told or column in ranged],
    )
    found = [
        keys
        for keys, _ in key_lists(rest, table, limits.max_key_columns)
        if all(may_be_key(table.column(key.column)) for key in keys)
    ]
    found = found[:MAX_KEY_LISTS] + list(islice(expression_keys(rest, table, limits.max_key_columns), 2))
    own = [Key(column) for column in sorted(filter(None, told)) if may_be_key(table.column(column))]
    yield from found or [(key,) for key in own[:1]]
