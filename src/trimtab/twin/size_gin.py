"""How large a GIN index would be: a tree of distinct keys, each with the rows that have it, compressed. Pure.

A key's rows lie beside it while they fit, and in a tree of their own when they do not. A build inserts keys in their
order and halves each page that is full, so the pages of the tree of keys end up half full. The rules are those of
PostgreSQL's ginentrypage.c, gindatapage.c and ginpostinglist.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log

from trimtab.twin.pages import GinPages
from trimtab.twin.size import PAGE_BYTES, IndexedColumn, KeyGroups, aligned

_ROOM = PAGE_BYTES - 24 - 8
_DATA_ROOM = _ROOM - 8
_LINE_POINTER, _TUPLE_HEADER, _LIST_HEADER = 4, 8, 8
_MOST_ITEM_BYTES = 2712
_ENTRY_FULL, _DATA_FULL = 0.52, 0.97
_POSTING_ITEM = 10
_SEGMENT_BYTES = 256
# Two, three and four bytes reach so many pages of the table ahead.
_REACH = ((8, 2), (1024, 3), (131072, 4))
_TAIL_STEPS = 24
_WITH_ELEMENTS = frozenset(
    ("array_ops", "gin__int_ops", "tsvector_ops", "jsonb_ops", "jsonb_path_ops", "gin_trgm_ops", "gin_hstore_ops")
)
_TRIGRAMS = 8000.0
"""Not every three letters occur: about so many do in texts of people."""


def gin_pages(columns: Sequence[KeyGroups], key_bytes: Sequence[float], table_pages: int) -> GinPages:
    """Return the pages of an index with these keys, given per column with the mean bytes of a key."""
    size = entries = data = inner = 0.0
    for groups, width in zip(columns, key_bytes, strict=True):
        bare = aligned(_TUPLE_HEADER + width + (2 if len(columns) > 1 else 0))
        for keys, times in groups:
            posted = _LIST_HEADER + max(times - 1, 0) * _bytes_per_row(times, table_pages)
            item = aligned(bare + posted)
            if item > _MOST_ITEM_BYTES:
                item = bare
                data += keys * _posting_tree(times * _bytes_per_row(times, table_pages))
            size += keys * (item + _LINE_POINTER)
            inner += keys * (bare + _LINE_POINTER)
            entries += keys
    leaves = pages = max(ceil(size / (_ROOM * _ENTRY_FULL)), 1) if size > _ROOM else 1
    fanout = max(_ROOM * _ENTRY_FULL / (inner / entries), 2.0) if entries else 2.0
    while leaves > 1:
        leaves = ceil(leaves / fanout)
        pages += leaves
    return GinPages(pages, ceil(data), ceil(entries))


def _bytes_per_row(times: float, table_pages: int) -> float:
    """Return the mean bytes of the step from one row of a key to the next, if its rows lie anywhere in the table."""
    per_page = times / max(table_pages, 1)
    if per_page >= 60:
        return 1.0
    # The step is to another page with this chance; how many pages on, falls off geometrically.
    stays = 1 - (1 - exp(-per_page)) / per_page if per_page > 1e-9 else 0.0
    left, mean = 1.0 - stays, stays
    for reach, size in _REACH:
        within = left * (1 - exp(-per_page * reach))
        mean, left = mean + within * size, left - within
    return mean + left * 5


def _posting_tree(size: float) -> float:
    leaves = total = max(ceil(size * (1 + _LIST_HEADER / _SEGMENT_BYTES) / (_DATA_ROOM * _DATA_FULL)), 1)
    while leaves > 1:
        leaves = ceil(leaves * _POSTING_ITEM / _DATA_ROOM)
        total += leaves
    return total


def known_groups(column: IndexedColumn, rows: float) -> tuple[list[tuple[float, float]], float]:
    """Return the keys of a column and their mean bytes, as far as the column's statistics tell without any sample."""
    present = rows * (1 - column.null_share)
    if column.operator_class not in _WITH_ELEMENTS:
        return value_groups(column, rows), column.width
    shares = sorted(column.elements, reverse=True)
    each = column.element_count or max(_guessed_count(column), sum(shares))
    groups = [(1.0, max(share * present, 1.0)) for share in shares]
    groups += _tail(shares, each - sum(shares), present, _most_keys(column, present, present * each))
    if column.null_share > 0:
        groups.append((1.0, rows * column.null_share))
    return groups, _guessed_bytes(column)


def value_groups(column: IndexedColumn, rows: float) -> list[tuple[float, float]]:
    """Return the keys of a column whose value itself is the key."""
    groups = [(1.0, share * rows) for share in (*column.frequencies, column.null_share) if share > 0]
    left = rows - sum(times for _, times in groups)
    distinct = column.distinct if column.distinct > 0 else -column.distinct * rows
    rare = min(max(distinct - len(column.frequencies), 1.0), left)
    return [*groups, (rare, left / rare)] if left >= 1 else groups


def _tail(shares: Sequence[float], left: float, rows: float, most: float) -> list[tuple[float, float]]:
    """Return the keys that are too rare for the statistics: their shares go on falling by a power of their rank.

    `left` is how many of them a row has.
    """
    if left * rows < 1 or left < 0.01:
        return []
    first, power = max(len(shares), 1), 1.0
    share = shares[-1] if shares else min(left / log(max(most, 3.0)), 1.0)
    if len(shares) >= 20:
        power = min(max(log(shares[first // 2] / share) / log(2), 0.1), 3.0) if share > 0 else 1.0
    share = max(share, 1 / rows)
    last = _last_rank(first, power, left / share, most)
    groups: list[tuple[float, float]] = []
    step = (last / first) ** (1 / _TAIL_STEPS)
    for number in range(_TAIL_STEPS):
        low, high = first * step**number, first * step ** (number + 1)
        groups.append((high - low, max(share * rows * ((low * high) ** 0.5 / first) ** -power, 1.0)))
    found = sum(keys * times for keys, times in groups)
    return [(keys * max(left * rows / found, 1.0), times) for keys, times in groups if keys > 0]


def _last_rank(first: float, power: float, left: float, most: float) -> float:
    """Return the rank at which shares that fall by `power` from `first` on add up to `left` times the first's."""
    most = max(most, first + 1.0)
    if abs(power - 1) < 0.01:
        return min(first * exp(min(left / first, 50.0)), most)
    inside = 1 + (1 - power) * left / first
    return min(first * inside ** (1 / (1 - power)), most) if inside > 0 else most


def _guessed_count(column: IndexedColumn) -> float:
    """Return how many keys a row may have, from the width of its value alone."""
    name, width = column.operator_class, column.stored_width
    if name == "gin_trgm_ops":
        return max(width, 1.0)
    if name == "jsonb_ops":
        return max((width - 4) / 12, 1.0)
    if name == "jsonb_path_ops":
        return max((width - 4) / 24, 1.0)
    if name == "tsvector_ops":
        return max((width - 8) / 14, 1.0)
    return max((width - 24) / max(column.width, 4.0), 1.0)


def _most_keys(column: IndexedColumn, rows: float, items: float) -> float:
    """Return how many distinct keys there may be. Of a document's values, one is taken to differ in every other row."""
    if column.operator_class == "gin_trgm_ops":
        return min(items, _TRIGRAMS)
    return min(items, rows / 2) if column.operator_class in ("jsonb_ops", "jsonb_path_ops") else items


def _guessed_bytes(column: IndexedColumn) -> float:
    name = column.operator_class
    if name in ("gin_trgm_ops", "jsonb_path_ops"):
        return 4.0
    if name in ("tsvector_ops", "jsonb_ops"):
        return 9.0
    return min(column.width, 16.0) if column.is_variable else column.width
