"""B-trees over expressions that a query compares, sorts by or groups by, alone and beside plain columns.

The text is the server's own. Whether an index can hold it (nothing volatile, a type with an order) the server says.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.db.sql import Condition, OrderTerm
from trimtab.model.catalog import Table
from trimtab.propose.candidate import Candidate, Key, Keys
from trimtab.propose.context import Limits
from trimtab.propose.needs import DISTANCE, RANGES, Need
from trimtab.propose.plain import may_be_key

EQUALITY = frozenset({"=", "= any"})


def expression_candidates(need: Need, table: Table, limits: Limits) -> Iterator[Candidate]:
    """Yield B-trees that begin with, or hold, an expression of the need."""
    for keys in expression_keys(need, table, limits.max_key_columns):
        yield Candidate(table.schema, table.name, keys, rule="expression")


def expression_keys(need: Need, table: Table, limit: int) -> Iterator[Keys]:
    """Yield key lists with an expression in each: equality first, then a range or an order."""
    equal = tuple(dict.fromkeys(Key(expression=c.operand) for c in _on_expressions(need) if c.operator in EQUALITY))
    ranges = dict.fromkeys(Key(expression=c.operand) for c in _on_expressions(need) if c.operator in RANGES)
    terms = [_key(term) for term in need.terms if DISTANCE not in term.operand]
    columns = tuple(Key(column) for column in need.equality if may_be_key(table.column(column)))
    plain_ranges = [Key(column) for column in need.range if may_be_key(table.column(column))]
    lists = [equal, (*columns, *equal), (*equal, *columns)]
    lists += [(*equal, key) for key in plain_ranges]
    lists += [(key,) for key in equal]
    for key in (*ranges, *terms):
        lists += [(*columns, *equal, key), (*equal, key), (key,)]
    seen = set()
    for keys in lists:
        cut = tuple(dict.fromkeys(keys))[:limit]
        if cut and cut not in seen and any(key.expression for key in cut):
            seen.add(cut)
            yield cut


def _on_expressions(need: Need) -> Iterator[Condition]:
    return (condition for condition in need.conditions if condition.column is None)


def _key(term: OrderTerm) -> Key:
    """Of an order and its reverse, which one index serves, it is the one with its NULLs last."""
    key = Key("", term.is_descending, term.is_nulls_first, term.operand)
    return key.backward() if key.nulls_first else key
