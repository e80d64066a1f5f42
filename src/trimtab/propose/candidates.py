"""Index candidates for what a query needs of a table: which columns, in which order, with which extra columns.

Pure rules; whether a candidate is any good is for the planner to say, in `selection`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from trimtab.model.catalog import Index, Table
from trimtab.model.change import CreateIndex, quote_identifier
from trimtab.propose.context import Limits
from trimtab.propose.needs import Need

MAX_PER_NEED = 40
MAX_COVERED_WIDTH_BYTES = 240
MAX_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Key:
    """A key column and its direction."""

    column: str
    descending: bool = False
    nulls_first: bool = False

    def sql(self) -> str:
        """Return it as CREATE INDEX writes it; NULLS is written only where it is not the direction's default."""
        text = quote_identifier(self.column) + (" DESC" if self.descending else "")
        if self.nulls_first != self.descending:
            text += " NULLS FIRST" if self.nulls_first else " NULLS LAST"
        return text


def candidates_for(need: Need, table: Table, limits: Limits) -> list[CreateIndex]:
    """Return the candidates for one need, each once, those with fewer columns first, none that exists already."""
    found: dict[str, CreateIndex] = {}
    for keys in _key_lists(need, limits.max_key_columns):
        if not all(_is_orderable(table, key.column) for key in keys):
            continue
        for included in _include_lists(need, table, keys, limits.max_include_columns):
            change = make_index(table, keys, included, limits.name_prefix)
            if not any(_serves_already(index, change, keys) for index in table.indexes):
                found.setdefault(change.name, change)
    return sorted(found.values(), key=lambda c: (len(c.key_columns) + len(c.include_columns), c.name))[:MAX_PER_NEED]


def make_index(table: Table, keys: tuple[Key, ...], included: tuple[str, ...], prefix: str) -> CreateIndex:
    """Return the CreateIndex; its name tells table and columns, and ends with a digest that makes it unique."""
    tail = "USING btree (" + ", ".join(key.sql() for key in keys) + ")"
    if included:
        tail += " INCLUDE (" + ", ".join(quote_identifier(column) for column in included) + ")"
    columns = tuple(key.column for key in keys)
    digest = hashlib.sha256(f"{table.schema}.{table.name} {tail}".encode()).hexdigest()[:6]
    words = [table.name, *columns, *(("incl",) if included else ())]
    stem = re.sub(r"[^a-z0-9_]+", "_", "_".join(words).lower())
    room = MAX_NAME_BYTES - len(prefix.encode()) - 1 - len(digest)
    return CreateIndex(table.schema, table.name, f"{prefix}{stem[:room]}_{digest}", tail, columns, included)


def _key_lists(need: Need, limit: int) -> Iterator[tuple[Key, ...]]:
    """Yield key lists: equality first, then one range or an order; joins alone, before and after equality."""
    equal = tuple(Key(column) for column in need.equality)
    order = tuple(Key(column, descending, nulls_first) for column, descending, nulls_first in need.order)
    group = tuple(Key(column) for column in need.group)
    joins: list[tuple[Key, ...]] = [(Key(column),) for column in need.join_columns]
    by_other: dict[str, list[str]] = {}
    for other, column in need.join:
        by_other.setdefault(other, []).append(column)
    joins += [tuple(Key(c) for c in dict.fromkeys(cs)) for cs in by_other.values() if len(set(cs)) > 1]
    ranges: list[tuple[Key, ...]] = [(Key(column),) for column in need.range]
    lists: list[tuple[Key, ...]] = [(key,) for key in equal] + [equal] + ranges + [equal + r for r in ranges]
    for join in joins:
        lists += [join, join + equal, equal + join]
        lists += [join + r for r in ranges] + [equal + join + r for r in ranges]
    lists += [order, equal + order, group, equal + group]
    lists += [r + order for r in ranges] + [order + r for r in ranges]
    seen: set[tuple[Key, ...]] = set()
    for keys in lists:
        unique = tuple({key.column: key for key in reversed(keys)}[c] for c in dict.fromkeys(k.column for k in keys))
        cut = unique[:limit]
        if cut and cut not in seen:
            seen.add(cut)
            yield cut


def _include_lists(need: Need, table: Table, keys: tuple[Key, ...], limit: int) -> Iterator[tuple[str, ...]]:
    yield ()
    used = need.columns - {key.column for key in keys}
    columns = sorted((column for column in table.columns if column.name in used), key=lambda column: column.name)
    rest = [column.name for column in columns]
    width = sum(column.average_width or 32 for column in columns)
    if rest and len(rest) <= limit and width <= MAX_COVERED_WIDTH_BYTES:
        yield tuple(rest)


def _is_orderable(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.has_btree_order


def _serves_already(index: Index, change: CreateIndex, keys: tuple[Key, ...]) -> bool:
    """True when a valid whole-table index begins with the same keys in the same order and holds the same columns."""
    if not index.is_valid or index.is_partial or index.method != "btree":
        return False
    length = len(keys)
    if index.key_columns[:length] != change.key_columns:
        return False
    options = tuple((1 if key.descending else 0) | (2 if key.nulls_first else 0) for key in keys)
    if tuple(index.key_options[:length]) != options and any(key.descending for key in keys):
        return False
    held = {*index.key_columns, *index.include_columns}
    return set(change.include_columns) <= held
