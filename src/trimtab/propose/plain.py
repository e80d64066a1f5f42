"""B-trees over columns for what a query needs of a table: which columns, in which order, with which extra columns.

Pure rules; whether a candidate is any good is for the planner to say, in `atoms`. None is proposed that an index of the
table does already, scanned forward or backward.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations

from trimtab.model.catalog import Column, Index, Table
from trimtab.propose.candidate import Candidate, Key, Keys
from trimtab.propose.context import Limits
from trimtab.propose.needs import Need, OrderKey

MAX_COVERED_WIDTH_BYTES = 240
MAX_JOINED_PAIRWISE = 6
# An entry of a B-tree must fit into a third of a page, and a row that is too wide can then no longer be written. So
# columns without a limit are taken only while their values are far from that.
MAX_UNBOUNDED_KEY_BYTES = 256
MAX_UNBOUNDED_COVERED_BYTES = 64
_UNBOUNDED_TYPE = re.compile(r"text|character varying|bytea|jsonb?|xml|tsvector|numeric\[\]|.*\[\]|.*multirange")
_NEVER_COVERED = re.compile(r"bytea|jsonb?|xml|tsvector|.*\[\]")
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
_OTHER_ORDER = re.compile(r"_ops\b|\bCOLLATE\b")


def plain_candidates(need: Need, table: Table, limits: Limits) -> Iterator[Candidate]:
    """Yield B-trees over columns of all rows for one need, the most promising first."""
    for keys, directed in key_lists(need, table, limits.max_key_columns):
        if not all(may_be_key(table.column(key.column)) for key in keys):
            continue
        for included in ((), covering(table, keys, need.columns, limits)):
            if included is None or any(_does_already(index, keys, included, directed) for index in table.indexes):
                continue
            rule = "covering" if included else "foreign_key" if is_under_foreign_key(keys, table) else "columns"
            yield Candidate(table.schema, table.name, keys, included, rule=rule)
        # Where INCLUDE may not be used, what an index-only scan needs can be keys.
        for wider in _covering_keys(table, keys, need.columns, limits):
            if not any(_does_already(index, wider, (), directed) for index in table.indexes):
                yield Candidate(table.schema, table.name, wider, rule="covering")


def _covering_keys(table: Table, keys: Keys, needed: set[str], limits: Limits) -> Iterator[Keys]:
    """Yield the keys with all that is needed behind them, when only keys may hold it."""
    if limits.max_include_columns or "*" in needed or needed & SYSTEM_COLUMNS:
        return
    rest = sorted(needed & {column.name for column in table.columns} - {key.column for key in keys})
    if rest and len(keys) + len(rest) <= limits.max_key_columns and all(may_be_key(table.column(c)) for c in rest):
        yield keys + tuple(Key(column) for column in rest)


def is_under_foreign_key(keys: Keys, table: Table) -> bool:
    """True when the keys are the columns of a foreign key of the table, which no index begins with, in any order."""
    names = {key.column for key in keys}
    return any(set(key.columns) == names and not is_indexed(key.columns, table) for key in table.foreign_keys)


def is_indexed(columns: tuple[str, ...], table: Table) -> bool:
    """True when a B-tree over all rows begins with these columns, in any order."""
    return any(
        index.is_valid
        and not index.is_partial
        and index.method == "btree"
        and set(index.key_columns[: len(columns)]) == set(columns)
        for index in table.indexes
    )


def covering(table: Table, keys: Keys, needed: set[str] | frozenset[str], limits: Limits) -> tuple[str, ...] | None:
    """Return the columns to include so that an index over `keys` holds all that is needed; None when it cannot."""
    rest = needed - {key.column for key in keys}
    columns = [column for column in table.columns if column.name in rest]
    if "*" in needed or needed & SYSTEM_COLUMNS or len(columns) > limits.max_include_columns:
        return None
    if sum(column.average_width or 32 for column in columns) > MAX_COVERED_WIDTH_BYTES:
        return None
    return tuple(sorted(column.name for column in columns)) if all(map(_may_be_covered, columns)) else None


def key_lists(need: Need, table: Table, limit: int) -> Iterator[tuple[Keys, frozenset[str]]]:
    """Yield key lists, and the columns in them whose direction matters."""
    seen: set[tuple[Keys, frozenset[str]]] = set()
    for keys in _unlimited_key_lists(need, table):
        unique = tuple({key.column: key for key in reversed(keys)}[c] for c in dict.fromkeys(k.column for k in keys))
        cut = unique[:limit]
        ordered = {column for order in need.orders for column, _, _ in order}
        found = cut, frozenset(key.column for key in cut if key.column in ordered and key.column not in need.equality)
        if cut and found not in seen:
            seen.add(found)
            yield found


def _unlimited_key_lists(need: Need, table: Table) -> Iterator[Keys]:
    """Equality first, then an order or one range; joins before, after and without equality; the rest alone.

    What the branches of an OR ask for comes alone, after equality and after a range, each in an index of its own.
    """
    equal = tuple(Key(column) for column in need.equality)
    group = tuple(Key(column) for column in need.group)
    orders = _orders(need, table)
    ranges = [(Key(column),) for column in need.range]
    joins = _joins(need, table)
    for order in orders:
        yield equal + order
        yield from (equal + order + r for r in ranges)
    yield from (equal + r for r in ranges)
    yield equal
    for join in joins:
        yield from (join + equal, equal + join, join)
        yield from (join + equal + order for order in orders)
        yield from (join + r for r in ranges)
        yield from (equal + join + r for r in ranges)
    yield equal + group
    for columns in need.alternatives:
        yield tuple(map(Key, columns))
        yield equal + tuple(map(Key, columns))
        # What all branches ask for besides is looked up with each.
        yield from (equal + r + tuple(map(Key, columns)) for r in ranges)
    yield from ranges
    for key in equal:
        # Each may be the one that other queries share, or the only one that tells rows apart.
        yield from ((key,), (key, *equal))
    yield from orders
    yield group
    yield from (order + r for order in orders for r in ranges)
    # A look-up by what several relations give, once these are joined.
    yield from permutations([Key(column) for column in need.join_columns[:MAX_JOINED_PAIRWISE]], 2)


def _joins(need: Need, table: Table) -> list[Keys]:
    """Return the join columns one by one, those to one relation together, and those of a foreign key in its order."""
    by_other: dict[str, list[str]] = {}
    for other, column in need.join:
        by_other.setdefault(other, []).append(column)
    together = [tuple(Key(column) for column in columns) for columns in by_other.values() if len(columns) > 1]
    joined = set(need.join_columns)
    foreign = [tuple(map(Key, key.columns)) for key in table.foreign_keys if joined >= set(key.columns)]
    return [(Key(column),) for column in need.join_columns] + together + [keys for keys in foreign if len(keys) > 1]


def _orders(need: Need, table: Table) -> list[Keys]:
    """Return the orders wanted of the scan, and that in which it is scanned now, without what is constant in them.

    Of an order and its reverse, which one index serves, it is the one whose first key has its NULLs last.
    """
    wanted = list(need.orders)
    used = next((index for index in table.indexes if index.name == need.index), None)
    if used is not None and not used.has_expressions:
        wanted.append(_order_of(used))
    found: dict[Keys, None] = {}
    for order in wanted:
        keys = tuple(Key(*key) for key in order if key[0] not in need.equality)
        if keys and keys[0].nulls_first:
            keys = tuple(key.backward() for key in keys)
        if keys:
            found[keys] = None
    return list(found)


def _order_of(index: Index) -> tuple[OrderKey, ...]:
    pairs = zip(index.key_columns, index.key_options, strict=False)
    return tuple((column, bool(option & 1), bool(option & 2)) for column, option in pairs if column is not None)


def may_be_key(column: Column | None) -> bool:
    """True when the column has an order and its values fit into a B-tree's entry."""
    if column is None or not column.has_btree_order:
        return False
    is_bounded = _UNBOUNDED_TYPE.fullmatch(column.type_name) is None
    return is_bounded or (column.average_width or 0) <= MAX_UNBOUNDED_KEY_BYTES


def _may_be_covered(column: Column) -> bool:
    if _NEVER_COVERED.fullmatch(column.type_name):
        return False
    is_bounded = _UNBOUNDED_TYPE.fullmatch(column.type_name) is None
    return is_bounded or (column.average_width or 0) <= MAX_UNBOUNDED_COVERED_BYTES


def _does_already(index: Index, keys: Keys, included: tuple[str, ...], directed: frozenset[str]) -> bool:
    """True when a valid index over whole rows begins with these keys, in an order as good, and holds these columns."""
    length = len(keys)
    if not index.is_valid or index.is_partial or index.method != "btree" or _OTHER_ORDER.search(index.definition):
        return False
    if index.key_columns[:length] != tuple(key.column for key in keys):
        return False
    held = {
        (column, bool(option & 1), bool(option & 2))
        for column, option in zip(index.key_columns, index.key_options, strict=False)
    }
    forward = {(key.column, key.descending, key.nulls_first) for key in keys if key.column in directed}
    backward = {(key.column, not key.descending, not key.nulls_first) for key in keys if key.column in directed}
    is_in_order = forward <= held or backward <= held
    return is_in_order and set(included) <= {*index.key_columns, *index.include_columns}
