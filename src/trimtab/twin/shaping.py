"""Gives new hypothetical indexes the shape of the real ones, from statistics, and a sample where there is one.

It decides what must be sampled, and tells what an estimate rests on when there was no sample.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection
from trimtab.model.change import qualified
from trimtab.twin.columns import IndexColumns, index_columns
from trimtab.twin.ends import take_over
from trimtab.twin.estimate import METHODS, WITH_FACTS, IndexFacts, Shape, estimate, write_shape
from trimtab.twin.expression_statistics import store
from trimtab.twin.pages import is_deduplicated, pages_per_range
from trimtab.twin.sample import Measured, SourceSample
from trimtab.twin.sample_statements import ROWS, Wanted
from trimtab.twin.size import IndexedColumn

_FRESH_FILES = 1 << 31
"""Added to an index's oid: numbers of files that the server does not give out itself."""
_FEW_SAMPLED = 10
_SAMPLED_APART = 16
"""Up to so many partitions each is sampled on its own; of more, a sample of the whole table stands for each."""
_UNIQUE = -0.9
_TRIGRAMS = "gist_trgm_ops"
_OF_ANY_ROW = ("btree", "hash")
"""Methods whose keys can be grouped, and whose length tells of each row."""
_MANY_REPEATS = 500
"""From so many on, a key's rows fill whole posting lists: how many there are of them hardly matters."""
_VERY_MANY = 10_000
"""Of so many values a few per cent are enough to pick keys by."""
_NO_SAMPLE = "no sample of the source: estimated from column statistics"
_NOTHING_KNOWN = "no sample of the source, and its table was never analysed: a guess"
_LEAST_WIDTH = 1.0
_COMPRESSED_BYTES = 508
"""PostgreSQL's TOAST_INDEX_TARGET: it tries to compress a longer key."""
_AT_MOST = f"keys of more than {_COMPRESSED_BYTES} bytes may be compressed: it can be many times smaller"


_Planned = Mapping[tuple[tuple[str, str], str | None], float]
"""Rows by table and predicate, None for all of the table's."""


@dataclass(slots=True)
class Shaped:
    """Sizes in bytes, notes and refusals by the change's digest."""

    sizes: dict[str, int] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Made:
    """One index with a file, as the catalog has it."""

    oid: int
    table_oid: int
    table: tuple[str, str]
    path: Path
    method: str
    fill_percent: int | None
    predicate: str | None
    may_deduplicate: bool
    is_counted: bool

    @property
    def is_deduplicated(self) -> bool:
        """Whether it is a B-tree that holds equal keys once."""
        return self.method == "btree" and self.may_deduplicate and is_deduplicated(self.path)


def shape_new(
    maker: Connection,
    reckoner: Connection,
    data_directory: Path,
    table: tuple[str, str],
    made: Mapping[str, Sequence[int]],
    table_pages: Mapping[int, int],
    sample: SourceSample | None,
    source_version: int,
) -> Shaped:
    """Shape the indexes as a server of that version builds them, and tell the catalog their pages and rows.

    They are given by the change's digest.

    `maker` is a superuser's session; `reckoner` that of a role without rights, since predicates may call any function.
    """
    shaped, digests = Shaped(), {oid: digest for digest, oids in made.items() for oid in oids}
    version = maker.info.server_version
    with maker.transaction():
        maker.execute("select pg_catalog.set_config('search_path', '', true)")  # So that all names are complete.
        columns = index_columns(maker, list(digests), with_widths=True)
        rows = maker.execute(sql.load("twin_index_file", version), (list(digests),)).fetchall()
    indexes = [
        _Made(oid, table_oid, (schema, name), data_directory / str(path), method, fill, predicate, may, counted > 0)
        for oid, table_oid, counted, schema, name, path, method, fill, predicate, may in rows
    ]
    for index in indexes:
        if index.method not in METHODS:
            told = f"there is no model of the size of {index.method} indexes, as of those of PostgreSQL's own methods"
            shaped.refused[digests[index.oid]] = told
    indexes = [index for index in indexes if digests[index.oid] not in shaped.refused]
    planned = _planned_rows(reckoner, {(i.table, p) for i in indexes for p in (None, i.predicate)})
    for index in indexes:
        if (index.table, index.predicate) not in planned:
            shaped.refused[digests[index.oid]] = "the server cannot plan its predicate"
    indexes = [index for index in indexes if digests[index.oid] not in shaped.refused]
    measured = _measure(maker, table, indexes, digests, columns, planned, sample, shaped)
    for index in indexes:
        if index.method == "btree" and any(
            k.is_variable and k.width > _COMPRESSED_BYTES for k in columns[index.oid].keys
        ):
            digest = digests[index.oid]
            shaped.notes[digest] = tuple(dict.fromkeys((*shaped.notes.get(digest, ()), _AT_MOST)))
    shapes = {
        index.oid: _shape(
            index,
            columns[index.oid],
            table_pages.get(index.table_oid, 0),
            planned,
            measured.get(index.oid),
            source_version,
        )
        for index in indexes
    }
    _write(maker, indexes, shapes)
    trees = {index.oid for index in indexes if index.method == "btree"}
    if trees:
        take_over(maker, data_directory, {index.table_oid for index in indexes}, trees)
    for digest, oids in made.items():
        if digest not in shaped.refused:
            shaped.sizes[digest] = sum(shapes[oid].size_bytes for oid in oids if oid in shapes)
    return shaped


def _shape(
    index: _Made,
    columns: IndexColumns,
    table_pages: int,
    planned: _Planned,
    measured: Measured | None,
    source_version: int,
) -> Shape:
    table_rows, rows = planned[index.table, None], planned[index.table, index.predicate]
    if not table_pages:  # The planner thinks of ten pages: rows could come. CREATE INDEX finds none.
        rows = 0.0
        table_rows = (
            table_rows if index.method == "hash" else 0.0
        )  # which is built for the rows that the planner expects
    elif not index.is_counted and measured is not None:
        if measured.table_rows:
            rows *= measured.table_rows / table_rows
            table_rows = table_rows if index.method == "hash" else measured.table_rows
        columns = _with_widths(columns, measured)
    if measured is not None and measured.share is not None:
        rows = _sampled_rows(rows, table_rows, measured.share, measured.rows)
    facts = IndexFacts(
        method=index.method,
        columns=columns,
        table_pages=table_pages,
        table_rows=table_rows,
        rows=rows,
        fill_percent=index.fill_percent,
        is_deduplicated=index.is_deduplicated,
        per_range=pages_per_range(index.path) if index.method == "brin" else None,
        key_counts=measured.key_counts if measured else None,
        item_counts=measured.item_counts if measured else (),
        version=source_version,
    )
    return estimate(facts)


def _with_widths(columns: IndexColumns, measured: Measured) -> IndexColumns:
    """Return the columns with the widths that the sample has of keys: without ANALYZE nothing else tells them."""
    unknown = [key for key in columns.keys if key.is_variable and not key.stored_width]
    if measured.key_counts is None or not measured.key_counts.row_width or not unknown:
        return columns
    known = sum(key.width for key in columns.keys if key not in unknown)
    each = max((measured.key_counts.row_width - known) / len(unknown), _LEAST_WIDTH)
    keys = [replace(key, width=each, stored_width=each) if key in unknown else key for key in columns.keys]
    return replace(columns, keys=keys)


def _sampled_rows(planned: float, table_rows: float, share: float, sampled: float) -> float:
    """Return the rows that a predicate lets through; where a sample has few of them, the planner's view counts too."""
    few = _FEW_SAMPLED / max(sampled, 1)
    return share * table_rows if share >= few else min(planned, (share + few) * table_rows)


def _basis(answers: Sequence[Measured]) -> Iterator[str]:
    """Yield what an index rests on: one answer, or one of each partition."""
    read = [answer.rows for answer in answers if not answer.refusal]
    if read:
        yield f"sampled {sum(read):.0f} rows of the source"
    for answer in answers:
        if answer.refusal:
            yield f"not sampled: {answer.refusal}"


def _measure(
    maker: Connection,
    table: tuple[str, str],
    indexes: Sequence[_Made],
    digests: Mapping[int, str],
    columns: dict[int, IndexColumns],
    planned: _Planned,
    sample: SourceSample | None,
    shaped: Shaped,
) -> dict[int, Measured]:
    """Ask the sample, keep the statistics of expressions, and note what was or was not measured. By index."""
    asking = {index.oid: _wanted(index, columns[index.oid], planned[index.table, None]) for index in indexes}
    wanted = {oid: want for oid, want in asking.items() if want is not None}
    if sample is None:
        guessed = {index.oid for index in indexes if not index.is_counted}
        shaped.notes.update({digests[oid]: (_NOTHING_KNOWN if oid in guessed else _NO_SAMPLE,) for oid in wanted})
        return {}
    is_apart = len({index.table_oid for index in indexes}) <= _SAMPLED_APART
    asked: dict[tuple[str, str], dict[str, Wanted]] = {}
    for index in indexes:
        if index.oid in wanted:
            of = asked.setdefault(index.table if is_apart else table, {})
            of.setdefault(digests[index.oid], wanted[index.oid])
    answers = {
        (read, digest): answer
        for read, of in asked.items()
        for digest, answer in zip(of, sample.measure(read, list(of.values())), strict=True)
    }
    measured = {
        index.oid: answers[index.table if is_apart else table, digests[index.oid]]
        for index in indexes
        if index.oid in wanted
    }
    unstored: dict[str, list[str]] = {}
    for oid, answer in measured.items():
        unstored.setdefault(digests[oid], []).extend(store(maker, [oid], answer.statistics))
    for digest, told in unstored.items():
        of_index = [answer for (_, of), answer in answers.items() if of == digest]
        shaped.notes[digest] = tuple(dict.fromkeys([*_basis(of_index), *told]))
    stored = [oid for oid, answer in measured.items() if answer.statistics]
    with maker.transaction():
        maker.execute("select pg_catalog.set_config('search_path', '', true)")
        columns.update(index_columns(maker, stored, with_widths=True))
    return measured


def _wanted(index: _Made, columns: IndexColumns, table_rows: float) -> Wanted | None:
    """Return what column statistics do not tell of this index; None when they tell all.

    Of a large table ANALYZE finds far too few distinct values where equal ones lie together, or differ in frequency.
    """
    pairs = list(zip(columns.expressions, columns.keys, strict=True))
    expressions = tuple((n, e) for n, (e, key) in enumerate(pairs, 1) if key.number == 0)
    items: tuple[tuple[str, str, str], ...] = ()
    if index.method == "gin" or (index.method == "gist" and any(name == _TRIGRAMS for _, name in columns.classes)):
        items = tuple((e, *of) for e, of in zip(columns.expressions, columns.classes, strict=True))
    numbers = frozenset(key.number for key in columns.keys)
    is_plain = index.predicate is None and not expressions
    is_told = is_plain and len(pairs) == 1 and 0 < pairs[0][1].distinct * _MANY_REPEATS <= table_rows
    is_told |= is_plain and table_rows <= ROWS and len(pairs) == 1
    is_told |= len(numbers) > 1 and numbers in columns.groups and index.predicate is None
    is_told |= any(key.distinct <= _UNIQUE and key.number for key in columns.keys)
    counts_keys = not is_told and index.is_deduplicated
    counts_keys |= not index.is_counted and index.method in _OF_ANY_ROW and table_rows > 0
    if not (expressions or items or counts_keys or index.predicate is not None):
        return None
    if not counts_keys:
        return Wanted(expressions, (), items, index.predicate)
    keys = tuple(sorted(columns.expressions))  # In any order they occur as often.
    most = max(range(len(pairs)), key=lambda place: (_values(pairs[place][1], table_rows), pairs[place][0]))
    picked_by = (pairs[most][0],) if _values(pairs[most][1], table_rows) >= _VERY_MANY else ()
    return Wanted(expressions, keys, items, index.predicate, picked_by)


def _values(key: IndexedColumn, table_rows: float) -> float:
    return max(key.distinct, -key.distinct * table_rows)


def _write(maker: Connection, indexes: Sequence[_Made], shapes: Mapping[int, Shape]) -> None:
    version = maker.info.server_version
    for index in indexes:
        file = index.path
        if index.method in WITH_FACTS:
            file = file.with_name(str(index.oid + _FRESH_FILES))
            os.rename(index.path, file)
            maker.execute(sql.load("twin_index_renumber", version), (index.oid, index.oid + _FRESH_FILES))
        write_shape(file, shapes[index.oid])
    pages, rows = [s.pages for s in shapes.values()], [s.rows for s in shapes.values()]
    maker.execute(sql.load("twin_index_rows", version), (list(shapes), pages, rows))


def _planned_rows(connection: Connection, wanted: set[tuple[tuple[str, str], str | None]]) -> _Planned:
    """Return how many rows the planner expects in tables, or of those that a predicate lets through, where it can."""
    found = {}
    for key in wanted:
        try:
            with connection.transaction(force_rollback=True):
                [[[plan]]] = connection.execute(_rows_query(*key)).fetchall()
        except psycopg.Error:
            if connection.closed:
                raise
            continue
        found[key] = float(plan["Plan"]["Plan Rows"])
    return found


def _rows_query(table: tuple[str, str], predicate: str | None) -> bytes:
    condition = "" if predicate is None else f" WHERE {predicate}"
    return f"EXPLAIN (FORMAT JSON) SELECT FROM ONLY {qualified(*table)}{condition}".encode()
