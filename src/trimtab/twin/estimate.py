"""How an index would look when it was built: its pages and what the planner reads from them, whatever its method.

It brings the facts of one index to the size model of its access method, and writes the answer into the index's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.twin.columns import IndexColumns, index_columns
from trimtab.twin.groups import KeyCounts, key_groups
from trimtab.twin.pages import (
    PAGE_BYTES,
    GinPages,
    length_of,
    pages_per_range,
    set_brin_map,
    set_btree_height,
    set_gin_pages,
    set_length,
)
from trimtab.twin.size import IndexedColumn, KeyGroups, btree_size, distinct_keys, tree_of
from trimtab.twin.size_brin import brin_map_pages, brin_size
from trimtab.twin.size_gin import gin_pages, known_groups
from trimtab.twin.size_hash import hash_pages
from trimtab.twin.size_tree import gist_pages, spgist_pages

METHODS = ("btree", "hash", "gin", "gist", "spgist", "brin")
WITH_FACTS = ("gin", "brin")
"""Methods whose metapage lies in the server's buffers after CREATE INDEX, and must be written past them."""
_GUESSED_PER_RANGE = 128


@dataclass(frozen=True, slots=True)
class Shape:
    """Pages of an index and rows as the catalog would tell them; then what stands in the metapage of some methods."""

    pages: int
    rows: float
    level: int | None = None
    gin: GinPages | None = None
    map_pages: int | None = None

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return self.pages * PAGE_BYTES


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """What the estimate rests on.

    `rows` of the table's `table_rows` are let through by the predicate. `key_counts` tell how often whole keys occur in
    a sample, `item_counts` the same of what each column puts into a GIN index; None where no sample was counted.
    `version` is that of the server which would build it.
    """

    method: str
    columns: IndexColumns
    table_pages: int
    table_rows: float
    rows: float
    fill_percent: int | None = None
    is_deduplicated: bool = True
    per_range: int | None = None
    key_counts: KeyCounts | None = None
    item_counts: tuple[KeyCounts | None, ...] = ()
    version: int = 0


def estimate(facts: IndexFacts) -> Shape:
    """Return what CREATE INDEX would make. The method must be one of METHODS."""
    keys, rows = facts.columns.keys, facts.rows
    match facts.method:
        case "btree":
            counts = facts.key_counts
            tree = btree_size(
                rows,
                keys,
                facts.columns.included,
                table_rows=facts.table_rows,
                groups=facts.columns.groups,
                repeats=key_groups(counts, rows) if counts else (),
                wider=counts.width - counts.row_width if counts else 0.0,
                is_deduplicated=facts.is_deduplicated,
                fill_percent=facts.fill_percent,
            )
            return Shape(tree.pages, rows, level=tree.level)
        case "hash":
            known = rows * (1 - keys[0].null_share)
            distinct = distinct_keys(known, max(facts.table_rows, known), keys, {}) if known >= 1 else 0.0
            shares = [share / max(1 - keys[0].null_share, share) for share in keys[0].frequencies]
            fill = facts.fill_percent
            pages = hash_pages(facts.table_rows, known, distinct=distinct, frequencies=shares, fill_percent=fill)
            return Shape(pages, known)
        case "gin":
            found = _gin(facts)
            return Shape(found.pages, rows, gin=found)
        case "brin":
            size = brin_size(facts.table_pages, facts.per_range or _GUESSED_PER_RANGE, keys, facts.table_rows)
            return Shape(size.pages, rows, map_pages=size.map_pages)
        case "gist":
            return Shape(gist_pages(rows, _counted_items(facts), facts.columns.included, version=facts.version), rows)
        case _:
            return Shape(spgist_pages(rows, keys), rows)


def _counted_items(facts: IndexFacts) -> list[IndexedColumn]:
    """Return the columns with the mean number of items that a sample has in each value that is not NULL."""
    counts = facts.item_counts or (None,) * len(facts.columns.keys)
    return [
        column
        if counted is None or not counted.rows
        else replace(column, element_count=_mean_items(counted, column.null_share))
        for column, counted in zip(facts.columns.keys, counts, strict=True)
    ]


def _mean_items(counted: KeyCounts, null_share: float) -> float:
    """Return it, from counts to which each NULL added one."""
    each = sum(found for *_, found in counted.occurrences) / counted.rows
    return max((each - null_share) / max(1 - null_share, 0.01), 1.0)


def _gin(facts: IndexFacts) -> GinPages:
    columns: list[KeyGroups] = []
    widths: list[float] = []
    counts = facts.item_counts or (None,) * len(facts.columns.keys)
    for column, counted in zip(facts.columns.keys, counts, strict=True):
        if counted is None:
            groups, width = known_groups(column, facts.rows)
        else:
            groups, width = key_groups(counted, facts.rows), counted.width
        columns.append(groups)
        widths.append(width)
    return gin_pages(columns, widths, facts.table_pages)


def write_shape(path: Path, shape: Shape) -> None:
    """Give the index's files their length and their metapage. Its pages must not be in a server's buffers."""
    if shape.level is not None:
        if shape.pages > 1:
            set_length(path, max(shape.pages, 2 + shape.level))
            set_btree_height(path, shape.level)
        return
    set_length(path, max(shape.pages, length_of(path)))
    if shape.gin is not None:
        set_gin_pages(path, shape.pages, shape.gin)
    if shape.map_pages is not None:
        set_brin_map(path, shape.map_pages)


def existing_shapes(
    connection: Connection,
    data_directory: Path,
    lengths: Mapping[int, int],
    table_lengths: Mapping[int, int],
    heights: Mapping[int, int] | None = None,
    gin: Mapping[int, GinPages] | None = None,
) -> dict[int, tuple[Path, Shape]]:
    """Return file and shape of existing indexes of the twin, whose true pages are known, by their oid.

    `lengths` are pages by the index's oid, `table_lengths` by the table's; `heights` of B-trees and contents of GIN
    indexes that the source told are taken, others estimated. Write them with `write_shape` while the server is down.
    """
    heights, gin = heights or {}, gin or {}
    version = connection.info.server_version
    columns = index_columns(connection, list(lengths))
    found: dict[int, tuple[Path, Shape]] = {}
    rows = connection.execute(queries.load("twin_index_file", version), (list(lengths),)).fetchall()
    for oid, table_oid, table_rows, _, _, path, method, *_ in rows:
        pages, file, keys = lengths[oid], data_directory / str(path), columns[oid].keys
        shape = Shape(pages, max(table_rows, 0.0))
        if method == "btree":
            level = heights.get(oid, tree_of(pages, keys).level)
            shape = Shape(pages, shape.rows, level=level)
        elif method == "gin":
            facts = IndexFacts(method, columns[oid], table_lengths.get(table_oid, 0), shape.rows, shape.rows)
            shape = Shape(pages, shape.rows, gin=gin.get(oid) or _scaled(estimate(facts).gin, pages))
        elif method == "brin":
            per_range = pages_per_range(file) or _GUESSED_PER_RANGE
            shape = Shape(pages, shape.rows, map_pages=brin_map_pages(table_lengths.get(table_oid, 0), per_range))
        found[oid] = file, shape
    return found


def _scaled(found: GinPages | None, pages: int) -> GinPages:
    """Return the estimate stretched to the pages that there really are."""
    if found is None or pages < 2:
        return GinPages(1, 0, 0)
    factor = (pages - 1) / (found.pages - 1)
    entry_pages = min(max(round(found.entry_pages * factor), 1), pages - 1)
    return GinPages(entry_pages, pages - 1 - entry_pages, max(round(found.entries * factor), 1))
