"""Reads the lowest and highest value of indexed columns from a source whose rows changed since ANALYZE, for the twin.

Where a condition reaches the end of a histogram, the planner looks up the real end in a B-tree. After rows were added
it is another one than the histogram's, and costs are too. Each end is one probe of the index, bounded in time; both
are values of rows. On the twin they become the entries of its B-trees.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.text_forms import text_forms
from trimtab.model.change import qualified, quote_identifier
from trimtab.twin.leaf_entries import Key, entries_by_row, keys_of, mark_visible, set_ends

Item = TypeVar("Item")

_MOST_COLUMNS = 2000
_MOST_LATE = 5
"""So many columns may be refused, or take too long; then others are not asked one by one."""
_PROBED_AT_ONCE = 20
_PROBE_LIMIT = "500ms"
_SCHEMA = "trimtab_ends"
_MADE_AT_ONCE = 500
# After the first word: servers strip a comment before it, and then nothing would tell this from the workload.
_MARK = "/* trimtab: the lowest and the highest value of columns */"
# One probe of the index for each end, and never a scan of the table.
_SETTINGS = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "max_parallel_workers_per_gather": "0",
    "statement_timeout": _PROBE_LIMIT,
}


class Column(NamedTuple):
    """A column of a table."""

    schema: str
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class ColumnEnds:
    """The lowest and the highest value of a column, as the text of an array of its type."""

    schema: str
    relation: str
    column: str
    bounds: str

    @property
    def key(self) -> Column:
        """Whose they are."""
        return Column(self.schema, self.relation, self.column)


@dataclass(frozen=True, slots=True)
class FoundEnds:
    """The ends that were read, and the (schema, name) of tables that have others, which were not."""

    ends: tuple[ColumnEnds, ...]
    unknown: tuple[tuple[str, str], ...]


def read_ends(source: Connection, *, with_values: bool) -> FoundEnds:
    """Return the ends of columns of tables whose rows changed since ANALYZE, and which tables have others.

    What this role may not read, or what takes too long, is unknown. Raises psycopg.Error when the source is lost.
    """
    wanted = source.execute(queries.load("twin_ends_wanted", source.info.server_version)).fetchall()
    has_other_nulls = {Column(*column): other_nulls for *column, other_nulls, may_read in wanted if may_read}
    readable = list(has_other_nulls)[:_MOST_COLUMNS] if with_values else []
    found: dict[Column, str | None] = {}
    late = 0
    with _probing(source) if readable else nullcontext():
        for batch in _batches(readable, _PROBED_AT_ONCE):
            together = _bounds(source, batch, has_other_nulls)
            for number, column in enumerate(batch):
                if together is not None:
                    found[column] = together[number]
                elif late < _MOST_LATE:
                    alone = _bounds(source, [column], has_other_nulls)
                    late += alone is None
                    found[column] = None if alone is None else alone[0]
    ends = [ColumnEnds(*column, bounds) for column, bounds in found.items() if bounds is not None]
    known = {one.key for one in ends}
    unknown = dict.fromkeys((schema, table) for schema, table, name, *_ in wanted if (schema, table, name) not in known)
    return FoundEnds(tuple(ends), tuple(unknown))


@contextmanager
def _probing(source: Connection) -> Iterator[None]:
    with source.transaction(force_rollback=True), text_forms(source):
        for setting, value in _SETTINGS.items():
            source.execute("select pg_catalog.set_config($1, $2, true)", (setting, value))
        yield


def _bounds(
    source: Connection, columns: Sequence[Column], has_other_nulls: Mapping[Column, bool]
) -> list[str | None] | None:
    """Return the ends of each, None of a column without values; None where one of them cannot be had in time."""
    probes = ", ".join(_probe(*column, has_other_nulls=has_other_nulls[column]) for column in columns)
    try:
        with source.transaction():
            row = source.execute(f"select {_MARK} {probes}".encode(), prepare=False).fetchone()
    except psycopg.Error:
        if source.closed:
            raise
        return None
    assert row is not None, "a query without a table gives a row"
    return [None if text == "{NULL,NULL}" else text for text in row]


def _probe(schema: str, table: str, column: str, *, has_other_nulls: bool) -> str:
    """Return the SQL of both ends, in the order in which an index with its NULLs there can be read."""
    name, place = quote_identifier(column), qualified(schema, table)
    low, high = (
        f"(select e.{name} from only {place} e where e.{name} is not null order by e.{name} {order} limit 1)"  # noqa: S608
        for order in (("asc nulls first", "desc nulls last") if has_other_nulls else ("asc", "desc"))
    )
    return f"array[{low}, {high}]::text"


@dataclass(frozen=True, slots=True)
class _Tree:
    """A B-tree of the twin in which the planner can look up the ends of a column."""

    schema: str
    table: str
    column: str
    oid: int
    attributes: int
    is_descending: bool
    path: str
    table_path: str
    type: str
    array_type: str

    @property
    def key(self) -> Column:
        return Column(self.schema, self.table, self.column)


@dataclass(frozen=True, slots=True)
class Entries:
    """What to write into one B-tree of the twin: its file, that of its table, and the keys, lowest first."""

    path: Path
    table: Path
    keys: tuple[Key, ...]
    attributes: int
    is_descending: bool

    def write(self) -> None:
        """Write them. The files must have their shape, and be in no server's buffers."""
        set_ends(self.path, self.keys, attributes=self.attributes, is_descending=self.is_descending)
        mark_visible(self.table)


def entries_of(twin: Connection, data_directory: Path, ends: Iterable[ColumnEnds]) -> list[Entries]:
    """Return the entries of the twin's B-trees; of a value that it cannot read there are none. Needs a superuser.

    No transaction may be open.
    """
    by_column = {one.key: one for one in ends}
    trees = [tree for tree in _trees(twin) if tree.key in by_column] if by_column else []
    of_type: dict[tuple[str, str], dict[Column, str]] = {}
    for tree in trees:
        of_type.setdefault((tree.type, tree.array_type), {})[tree.key] = by_column[tree.key].bounds
    keys: dict[Column, tuple[Key, ...]] = {}
    for types, wanted in of_type.items():
        for batch in _batches(list(wanted.items()), _MADE_AT_ONCE):
            keys |= _keys(twin, data_directory, types, batch)
    return [
        Entries(
            data_directory / tree.path,
            data_directory / tree.table_path,
            keys[tree.key],
            tree.attributes,
            tree.is_descending,
        )
        for tree in trees
        if tree.key in keys
    ]


def take_over(twin: Connection, data_directory: Path, tables: Collection[int], made: Collection[int]) -> None:
    """Give new B-trees (`made`) of these tables the ends that others of the same leading column have. All by oid."""
    trees = _trees(twin, list(tables))
    known: dict[Column, list[Key]] = {}
    for tree in trees:
        if tree.oid not in made and tree.key not in known:
            found = keys_of(data_directory / tree.path)
            if found:
                known[tree.key] = found[::-1] if tree.is_descending else found
    for tree in trees:
        if tree.oid in made and tree.key in known:
            path = data_directory / tree.path
            set_ends(path, known[tree.key], attributes=tree.attributes, is_descending=tree.is_descending)


def _trees(twin: Connection, tables: list[int] | None = None) -> list[_Tree]:
    rows = twin.execute(queries.load("twin_ends_indexes", twin.info.server_version), (tables,)).fetchall()
    return [_Tree(*row) for row in rows]


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _keys(
    twin: Connection, data_directory: Path, types: tuple[str, str], wanted: Sequence[tuple[Column, str]]
) -> dict[Column, tuple[Key, ...]]:
    """Return the ends as PostgreSQL itself writes them into a B-tree, which is made for it and dropped again.

    `types` are those of a column and of an array of it, `wanted` the text of such an array for each column.
    """
    with twin.transaction(), text_forms(twin):
        twin.execute(f"create schema {_SCHEMA}".encode())
        twin.execute(f"create table {_SCHEMA}.e (number int, place int, v {types[0]})".encode())
        store = (
            f"insert into {_SCHEMA}.e select w.number, v.place, v.v"  # noqa: S608
            " from rows from (pg_catalog.unnest($1::int[]), pg_catalog.unnest($2::text[])) as w(number, bounds)"
            f" cross join lateral pg_catalog.unnest(w.bounds::text::{types[1]}) with ordinality as v(v, place)"
        ).encode()
        _store(twin, store, list(enumerate(bounds for _, bounds in wanted)))
        # Two equal ends stay two entries.
        twin.execute(f"create index i on {_SCHEMA}.e (v) with (deduplicate_items = off)".encode())
    twin.execute(b"CHECKPOINT")  # The file is read below.
    rows = twin.execute(
        f"select e.number, e.ctid::text from {_SCHEMA}.e e order by e.number, e.place".encode()  # noqa: S608
    ).fetchall()
    [(path,)] = twin.execute(f"select pg_catalog.pg_relation_filepath('{_SCHEMA}.i'::regclass)".encode())
    by_row = entries_by_row(data_directory / path)
    twin.execute(f"drop schema {_SCHEMA} cascade".encode())
    found: dict[Column, list[Key]] = {}
    for number, row in rows:
        found.setdefault(wanted[number][0], []).append(by_row[row])
    return {column: tuple(keys) for column, keys in found.items()}


def _store(twin: Connection, text: bytes, rows: list[tuple[int, str]]) -> None:
    """Store them at once, or by halves where the twin cannot read one of them."""
    try:
        with twin.transaction():
            twin.execute(text, ([number for number, _ in rows], [bounds for _, bounds in rows]))
    except psycopg.Error:
        if twin.closed:
            raise
        if len(rows) > 1:
            half = len(rows) // 2
            _store(twin, text, rows[:half])
            _store(twin, text, rows[half:])
