"""Hypothetical indexes of the twin: made once, of the right length and height, hidden until a configuration asks.

An index that is not `indislive` is not even opened by the planner, so hundreds of hidden ones cost nothing. CREATE
INDEX reads its whole table, and the twin's tables are long files of nothing: so a table's file is cut to zero while its
indexes are made, and given its length again afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.db.pipeline import Statement
from trimtab.embedded.server import Server
from trimtab.model.change import Change, CreateIndex, DropIndex, change_digest, qualified
from trimtab.twin.build import DATABASE
from trimtab.twin.columns import index_columns
from trimtab.twin.pages import SEGMENT_PAGES, is_deduplicated, length_of, set_btree_height, set_length
from trimtab.twin.size import TreeSize, btree_size

_Group = Mapping[str, CreateIndex]
"""Changes of one table by their digests."""


class HypotheticalIndexes:
    """The hypothetical indexes of one twin. `connection` is the session that plans."""

    def __init__(self, server: Server, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        self._maker: Connection | None = None
        self._oids: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._existing_oids: dict[str, int] = {}  # by qualified name
        self._refused: dict[str, str] = {}  # what the server refused, and why

    def ensure(self, changes: Sequence[CreateIndex]) -> None:
        """Make those that are not there yet, hidden. One that the server refuses is remembered with its reason."""
        by_table: dict[str, dict[str, CreateIndex]] = {}
        for change in changes:
            digest = change_digest(change)
            if digest not in self._oids and digest not in self._refused:
                self._plan_making(by_table, digest, change)
        for table, group in by_table.items():
            self._make(table, group)

    def close(self) -> None:
        """End the session that makes indexes."""
        if self._maker is not None:
            self._maker.close()
            self._maker = None

    def size_bytes(self, change: CreateIndex) -> int | None:
        """Return the estimated size of an ensured index, None when the server refused it."""
        return self._sizes.get(change_digest(change))

    def refusal(self, change: CreateIndex) -> str | None:
        """Return why an ensured index is not there, None when it is."""
        return self._refused.get(change_digest(change))

    def moved(self, server: Server, connection: Connection) -> HypotheticalIndexes:
        """Return these indexes for a copy of the server, or for a new session of the same."""
        self.close()
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(other, name, dict(value))
        other._server, other._connection = server, connection
        return other

    def switches(self, changes: Sequence[Change]) -> list[Statement]:
        """Return what shows and hides indexes as these changes want it, until the open transaction ends.

        Indexes that were refused, or do not exist, stay as they are.
        """
        shown = [self._oids[d] for c in changes if isinstance(c, CreateIndex) and (d := change_digest(c)) in self._oids]
        hidden = self._existing([qualified(c.schema, c.name) for c in changes if isinstance(c, DropIndex)])
        return [
            Statement(self.switching_text, ("{" + ",".join(map(str, oids)) + "}", str(is_live)))
            for oids, is_live in ((shown, True), (hidden, False))
            if oids
        ]

    @property
    def switching_text(self) -> str:
        """The text of what `switches` returns."""
        return sql.load("twin_switch", self._connection.info.server_version)

    def show(self, changes: Sequence[CreateIndex]) -> None:
        """Let the planner see these, in the open transaction. Those that were refused stay unseen."""
        self._switch([self._oids[d] for d in map(change_digest, changes) if d in self._oids], is_live=True)

    def hide(self, changes: Sequence[DropIndex]) -> None:
        """Keep the planner from seeing these existing indexes, in the open transaction."""
        if changes:
            found = _oids(self._connection, [qualified(change.schema, change.name) for change in changes])
            self._switch([oid for oid in found if oid is not None], is_live=False)

    def _switch(self, oids: Sequence[int], *, is_live: bool) -> None:
        if oids:
            text = sql.load("twin_switch", self._connection.info.server_version)
            self._connection.execute(text, (list(oids), is_live))

    def _existing(self, names: Sequence[str]) -> list[int]:
        """Return the oids of those that exist."""
        unknown = [name for name in dict.fromkeys(names) if name not in self._existing_oids]
        if unknown:
            found = zip(unknown, _oids(self._connection, unknown), strict=True)
            self._existing_oids.update({name: oid for name, oid in found if oid is not None})
        return [self._existing_oids[name] for name in names if name in self._existing_oids]

    def _plan_making(self, by_table: dict[str, dict[str, CreateIndex]], digest: str, change: CreateIndex) -> None:
        try:
            change.sql()
            by_table.setdefault(qualified(change.schema, change.table), {})[digest] = change
        except ValueError as error:
            self._refused[digest] = str(error)

    def _make(self, table: str, group: _Group) -> None:
        maker = self._maker = self._maker or connect(self._server.dsn(DATABASE), read_only=False)
        row = maker.execute(sql.load("twin_table_file", maker.info.server_version), (table,)).fetchone()
        if row is None or row[0] is None:
            found = "its table is not on the twin" if row is None else "a partitioned table has no file of its own"
            self._refused.update(dict.fromkeys(group, found))
            return
        file = self._server.data_directory / str(row[0])
        pages = length_of(file)
        set_length(file, 0)
        try:
            made = self._create(maker, group)
        finally:
            set_length(file, pages)
        self._shape(maker, table, made)
        if pages >= SEGMENT_PAGES:
            # A session that saw a table's second segment would not see that its file is cut to zero.
            self.close()

    def _create(self, maker: Connection, group: _Group) -> dict[str, int]:
        """Create and hide them in one transaction: all with one statement, or one by one if that is refused."""
        with maker.transaction():
            created = dict(group)
            try:
                with maker.transaction():
                    maker.execute("; ".join(c.sql(concurrently=False) for c in group.values()).encode())
            except psycopg.Error:
                created = {digest: c for digest, c in group.items() if self._is_created(maker, digest, c)}
            found = _oids(maker, [qualified(c.schema, c.name) for c in created.values()])
            made = {digest: oid for digest, oid in zip(created, found, strict=True) if oid is not None}
            maker.execute(sql.load("twin_switch", maker.info.server_version), (list(made.values()), False))
        return made

    def _is_created(self, maker: Connection, digest: str, change: CreateIndex) -> bool:
        try:
            with maker.transaction():
                maker.execute(change.sql(concurrently=False).encode())
        except psycopg.Error as error:
            if maker.closed:
                raise
            self._refused[digest] = str(source_error(error))
            return False
        return True

    def _shape(self, maker: Connection, table: str, made: Mapping[str, int]) -> None:
        """Give the new files the length and height, and the catalog the pages and rows, that they would have."""
        version = maker.info.server_version
        digests = {oid: digest for digest, oid in made.items()}
        columns = index_columns(maker, list(digests))
        table_rows = _planned_rows(maker, table, None)
        shaped: dict[int, tuple[TreeSize, float]] = {}
        files = maker.execute(sql.load("twin_index_file", version), (list(digests),)).fetchall()
        for oid, path, is_btree, fill_percent, predicate in files:
            if not is_btree:
                self._refused[digests[oid]] = "only the size of a B-tree can be estimated"
                continue
            file = self._server.data_directory / str(path)
            rows = table_rows if predicate is None else _planned_rows(maker, table, str(predicate))
            tree = btree_size(
                rows,
                columns[oid].keys,
                columns[oid].included,
                table_rows=table_rows,
                groups=columns[oid].groups,
                is_deduplicated=is_deduplicated(file),
                fill_percent=fill_percent,
            )
            if tree.pages > 1:
                set_length(file, max(tree.pages, 2 + tree.level))
                set_btree_height(file, tree.level)
            shaped[oid] = tree, rows
        pages, counts = [tree.pages for tree, _ in shaped.values()], [rows for _, rows in shaped.values()]
        maker.execute(sql.load("twin_index_rows", version), (list(shaped), pages, counts))
        self._oids.update({digests[oid]: oid for oid in shaped})
        self._sizes.update({digests[oid]: tree.size_bytes for oid, (tree, _) in shaped.items()})


def _oids(connection: Connection, names: Sequence[str]) -> list[int | None]:
    text = (
        "select pg_catalog.to_regclass(w.name)::oid::bigint"
        " from pg_catalog.unnest($1::text[]) with ordinality as w(name, place) order by w.place"
    )
    return [oid for (oid,) in connection.execute(text, (list(names),))]


def _planned_rows(connection: Connection, table: str, predicate: str | None) -> float:
    """Return how many rows the planner expects in the table, or of those that the predicate lets through."""
    condition = "" if predicate is None else f" WHERE {predicate}"
    row = connection.execute(f"EXPLAIN (FORMAT JSON) SELECT FROM ONLY {table}{condition}".encode()).fetchone()
    assert row is not None, "EXPLAIN returns one row"
    return float(row[0][0]["Plan"]["Plan Rows"])
