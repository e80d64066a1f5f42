"""Hypothetical indexes of the twin: made once, shaped as the real ones would be, hidden until a configuration asks.

Each has a name of its own, so that any two may have one name, and is called by the change's in plans. An index that is
not `indislive` is not even opened by the planner, so hundreds of hidden ones cost nothing. CREATE
INDEX reads its whole table, and the twin's tables are long files of nothing: so the files of a table and of all its
partitions are cut to zero while its indexes are made, and given their length again afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.db.pipeline import Pipeline, Statement
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, DropIndex, qualified
from trimtab.model.whatif import Hypothesis, hypothesis_digest
from trimtab.twin.build import DATABASE
from trimtab.twin.pages import SEGMENT_PAGES, length_of, set_length
from trimtab.twin.privileges import PLANNER, SEARCHING, SWITCHING
from trimtab.twin.sample import SourceSample
from trimtab.twin.shaping import shape_new

_Group = Mapping[str, CreateIndex]
"""Changes of one table by their digests, under the indexes' own names."""
_LOCKS = 20_000
"""Indexes that are made in one transaction, which keeps each of them locked to its end."""
_PREFIX, _DIGITS = "trimtab_h_", 32
_OWN = re.compile(rf'"Index Name": "({_PREFIX}[0-9a-f]{{{_DIGITS}}})(?:_\d+)?"')
_PARSING = ("DateStyle", "IntervalStyle", "TimeZone", "default_text_search_config", "xmloption")


class HypotheticalIndexes:
    """The hypothetical indexes of one twin. `connection` is the session that plans, `source_version` the source's.

    Without a `sample` of the source, sizes and statistics of expressions are estimated; `notes` says so.
    """

    def __init__(
        self, server: Server, connection: Connection, source_version: int, sample: SourceSample | None = None
    ) -> None:
        self._server = server
        self._connection = connection
        self._source_version = source_version
        self._sample = sample
        self._maker: Connection | None = None
        self._reckoner: Connection | None = None
        self._oids: dict[str, list[int]] = {}  # an index of a partitioned table has one in each partition
        self._sizes: dict[str, int] = {}
        self._existing_oids: dict[str, list[int]] = {}  # by qualified name
        self._names: dict[str, str] = {}  # by the index's own name
        self._taken: dict[tuple[str, str], None] = {}  # (schema, name) of what the twin has
        self._notes: dict[str, tuple[str, ...]] = {}
        self._refused: dict[str, str] = {}  # what the server refused, and why

    def ensure(self, changes: Sequence[CreateIndex]) -> None:
        """Make those that are not there yet, hidden. One that the server refuses is remembered with its reason."""
        by_table: dict[tuple[str, str], dict[str, CreateIndex]] = {}
        for change in changes:
            digest = hypothesis_digest(change)
            if digest not in self._oids and digest not in self._refused:
                self._plan_making(by_table, digest, change)
        if not by_table:
            return
        wanted = [(schema, change.name) for (schema, _), group in by_table.items() for change in group.values()]
        taken = zip(wanted, _trees(self._connection, [qualified(*name) for name in wanted]), strict=True)
        self._taken.update(dict.fromkeys(name for name, found in taken if found))
        for table, group in by_table.items():
            self._make(table, {digest: replace(c, name=self._own_name(digest, c)) for digest, c in group.items()})

    def close(self) -> None:
        """End the sessions of its own; they are opened again when they are needed."""
        for session in (self._maker, self._reckoner):
            if session is not None:
                session.close()
        self._maker = self._reckoner = None

    def size_bytes(self, change: CreateIndex) -> int | None:
        """Return the estimated size of an ensured index, None when the server refused it."""
        return self._sizes.get(hypothesis_digest(change))

    def refusal(self, change: CreateIndex, among: Sequence[Hypothesis] = ()) -> str | None:
        """Return why an ensured index is not there in a configuration of these, None when it is."""
        refused = self._refused.get(hypothesis_digest(change))
        return refused or (
            f'relation "{change.name}" already exists' if self._is_barred(change, _dropped(among)) else None
        )

    def notes(self, change: CreateIndex) -> tuple[str, ...]:
        """Return what an ensured index's size and statistics rest on, where column statistics alone do not suffice."""
        return self._notes.get(hypothesis_digest(change), ())

    def sample_from(self, sample: SourceSample | None) -> None:
        """Let indexes that are made from now on rest on this sample."""
        self._sample = sample

    def clear_unfinished(self) -> None:
        """Drop indexes of this class that a death left between their making and their shaping."""
        known = [f"{_PREFIX}{digest[:_DIGITS]}" for digest in self._oids]
        text = sql.load("twin_indexes_unfinished", self.maker.info.server_version)
        for schema, name in self.maker.execute(text, (f"^{_PREFIX}[0-9a-f]{{{_DIGITS}}}$", known)).fetchall():
            self.maker.execute(f"DROP INDEX {qualified(schema, name)}".encode())

    def moved(self, server: Server, connection: Connection) -> HypotheticalIndexes:
        """Return these indexes for a copy of the server, or for a new session of the same."""
        self.close()
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(other, name, dict(value))
        other._server, other._connection = server, connection
        return other

    def switches(self, changes: Sequence[Hypothesis]) -> list[Statement]:
        """Return what shows and hides indexes as these changes want it, until the open transaction ends.

        Those of partitions come and go with their parent. Indexes that were refused, or do not exist, stay as they are.
        """
        dropped = _dropped(changes)
        made = [c for c in changes if isinstance(c, CreateIndex) and not self._is_barred(c, dropped)]
        shown = [oid for change in made for oid in self._oids.get(hypothesis_digest(change), ())]
        hidden = self._existing([qualified(c.schema, c.name) for c in changes if isinstance(c, DropIndex)])
        return [
            Statement(SWITCHING, ("{" + ",".join(map(str, oids)) + "}", str(is_live)))
            for oids, is_live in ((shown, True), (hidden, False))
            if oids
        ]

    def named(self, text: str) -> str:
        """Return a plan's text with the changes' names of the indexes, also of those in partitions."""
        return (
            text
            if _PREFIX not in text
            else _OWN.sub(lambda found: f'"Index Name": {json.dumps(self._names[found[1]])}', text)
        )

    @property
    def maker(self) -> Connection:
        """A superuser's session, which reads a definition as the planning one does. It never plans a query."""
        if self._maker is None:
            self._maker = self._connect()
        return self._maker

    def _is_barred(self, change: CreateIndex, dropped: Collection[tuple[str, str]]) -> bool:
        """Whether another relation has its name, and is not among the dropped."""
        name = change.schema, change.name
        return name in self._taken and name not in dropped

    def _existing(self, names: Sequence[str]) -> list[int]:
        """Return the oids of those that exist, and of those in partitions that belong to them."""
        unknown = [name for name in dict.fromkeys(names) if name not in self._existing_oids]
        if unknown:
            found = zip(unknown, _trees(self._connection, unknown), strict=True)
            self._existing_oids.update({name: oids for name, oids in found if oids})
        return [oid for name in names for oid in self._existing_oids.get(name, ())]

    def _plan_making(
        self, by_table: dict[tuple[str, str], dict[str, CreateIndex]], digest: str, change: CreateIndex
    ) -> None:
        try:
            if "\0" in change.sql():
                raise ValueError("its definition holds a NUL")
            if not change.name:
                raise ValueError("it has no name")
            by_table.setdefault((change.schema, change.table), {})[digest] = change
        except ValueError as error:
            self._refused[digest] = str(error)

    def _own_name(self, digest: str, change: CreateIndex) -> str:
        name = f"{_PREFIX}{digest[:_DIGITS]}"
        self._names[name] = change.name
        return name

    def _make(self, table: tuple[str, str], group: _Group) -> None:
        maker = self.maker
        text = sql.load("twin_table_file", maker.info.server_version)
        relations = maker.execute(text, (qualified(*table),)).fetchall()
        if not relations:
            self._refused.update(dict.fromkeys(group, "its table is not on the twin"))
            return
        files = {oid: self._server.data_directory / str(path) for oid, path in relations if path is not None}
        at_once = max(_LOCKS // len(relations), 1)
        made: dict[str, list[int]] = {}
        with _cut(list(files.values())) as pages:
            for start in range(0, len(group), at_once):
                some = dict(list(group.items())[start : start + at_once])
                made |= self._create(maker, some, [oid for oid, _ in relations])
        shaped = shape_new(
            maker,
            self._reckoning(),
            self._server.data_directory,
            table,
            made,
            {oid: pages[file] for oid, file in files.items()},
            self._sample,
            self._source_version,
        )
        self._oids.update({digest: made[digest] for digest in shaped.sizes})
        self._sizes.update(shaped.sizes)
        self._notes.update(shaped.notes)
        self._refused.update(shaped.refused)
        if max(pages.values(), default=0) >= SEGMENT_PAGES:
            # A session that saw a table's second segment would not see that its file is cut to zero.
            self.close()

    def _reckoning(self) -> Connection:
        """Return a session that plans without any special right, and sees all rows whoever else plans."""
        if self._reckoner is None:
            self._reckoner = connect(self._server.dsn(DATABASE, user=PLANNER), read_only=True)
        return self._reckoner

    def _connect(self) -> Connection:
        maker = connect(self._server.dsn(DATABASE), read_only=False)
        text = "select name, setting from pg_catalog.pg_settings where name = any ($1::text[])"
        for name, value in self._connection.execute(text, (list(_PARSING),)).fetchall():
            maker.execute("select pg_catalog.set_config($1::text, $2::text, false)", (name, value))
        return maker

    def _create(self, maker: Connection, group: _Group, tables: Sequence[int]) -> dict[str, list[int]]:
        """Create and hide them in one transaction."""
        version = maker.info.server_version
        with maker.transaction():
            text = sql.load("twin_indexes_of", version)
            before = {oid for (oid,) in maker.execute(text, (list(tables),))}
            counts = maker.execute(sql.load("twin_table_counts", version), (list(tables),)).fetchall()
            created = dict(self._created(maker, list(group.items())))
            trees = _trees(maker, [qualified(c.schema, c.name) for c in created.values()])
            made = {
                digest: [oid for oid in tree if oid not in before] for digest, tree in zip(created, trees, strict=True)
            }
            new = [oid for oids in made.values() for oid in oids]
            # An index that a partition has already would be shown and hidden with the hypothetical one.
            adopted = [oid for tree in trees for oid in tree if oid in before]
            if adopted:
                maker.execute(sql.load("twin_index_detach", version), (adopted, new))
            maker.execute(sql.load("twin_switch", version), (new, False))
            trees_of_many = [(group[digest].name, oids) for digest, oids in made.items() if len(oids) > 1]
            parts = [(oid, f"{name}_{number}") for name, oids in trees_of_many for number, oid in enumerate(oids)]
            if parts:
                maker.execute(sql.load("twin_index_names", version), tuple(map(list, zip(*parts, strict=True))))
            maker.execute(sql.load("twin_relations_store", version), tuple(map(list, zip(*counts, strict=True))))
        return made

    def _execute(self, maker: Connection, changes: Iterable[CreateIndex]) -> None:
        """Make them, in the open transaction, with names found where the planning session finds them."""
        path = self._connection.execute("select pg_catalog.current_setting('search_path')").fetchone()
        assert path is not None, "the query returns one row"
        # A pipeline's statements cannot hold a second one.
        made = [Statement(change.sql(concurrently=False)) for change in changes]
        Pipeline(maker).run([Statement(SEARCHING, path), *made, Statement(SEARCHING, ("",))])

    def _created(
        self, maker: Connection, wanted: Sequence[tuple[str, CreateIndex]]
    ) -> Iterator[tuple[str, CreateIndex]]:
        """Yield those that the server makes, in one round trip; where one is refused, each half by itself."""
        try:
            with maker.transaction():
                self._execute(maker, [change for _, change in wanted])
        except psycopg.Error as error:
            if maker.closed:
                raise
            if len(wanted) == 1:
                self._refused[wanted[0][0]] = str(source_error(error))
                return
            middle = len(wanted) // 2
            yield from self._created(maker, wanted[:middle])
            yield from self._created(maker, wanted[middle:])
        else:
            yield from wanted


def _dropped(changes: Iterable[Hypothesis]) -> set[tuple[str, str]]:
    return {(change.schema, change.name) for change in changes if isinstance(change, DropIndex)}


@contextmanager
def _cut(files: Sequence[Path]) -> Iterator[dict[Path, int]]:
    """Let the files be empty inside; gives their true lengths in pages."""
    pages = {file: length_of(file) for file in files}
    try:
        for file in pages:
            set_length(file, 0)
        yield pages
    finally:
        for file, length in pages.items():
            set_length(file, length)


def _trees(connection: Connection, names: Sequence[str]) -> list[list[int]]:
    """Return, per name, the index and those of partitions that belong to it; none where there is no such index."""
    trees: list[list[int]] = [[] for _ in names]
    text = sql.load("twin_index_tree", connection.info.server_version)
    for place, oid in connection.execute(text, (list(names),)):
        trees[place - 1].append(oid)
    return trees
