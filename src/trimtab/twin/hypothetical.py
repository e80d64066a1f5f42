"""Hypothetical indexes of the twin: made once, of the right length and height, and hidden until a configuration asks.

An index that is not `indislive` is not even opened by the planner, so hundreds of hidden ones cost nothing. CREATE INDEX
reads its whole table, and the twin's tables are long files of nothing: so their files are cut to zero while indexes are
made, and given their length again afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, DropIndex, change_digest, qualified
from trimtab.twin.build import DATABASE, index_columns
from trimtab.twin.pages import PAGE_BYTES, SEGMENT_PAGES, is_deduplicated, set_btree_height, set_length
from trimtab.twin.size import TreeSize, btree_size


class HypotheticalIndexes:
    """The hypothetical indexes of one twin. `connection` is the session that plans."""

    def __init__(self, server: Server, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        self._oids: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._refused: dict[str, str] = {}  # what the server refused, and why

    def ensure(self, changes: Sequence[CreateIndex]) -> None:
        """Make those that are not there yet, hidden. One that the server refuses is remembered with its reason."""
        new = {change_digest(c): c for c in changes}
        new = {digest: c for digest, c in new.items() if digest not in self._oids and digest not in self._refused}
        by_table: dict[tuple[str, str], dict[str, CreateIndex]] = {}
        for digest, change in new.items():
            by_table.setdefault((change.schema, change.table), {})[digest] = change
        for (schema, table), group in by_table.items():
            self._make(schema, table, group)

    def size_bytes(self, change: CreateIndex) -> int | None:
        """Return the estimated size of an ensured index, None when the server refused it."""
        return self._sizes.get(change_digest(change))

    def show(self, changes: Sequence[CreateIndex]) -> None:
        """Let the planner see these, in the open transaction. Those that were refused stay unseen."""
        oids = [self._oids[digest] for change in changes if (digest := change_digest(change)) in self._oids]
        self._switch(oids, is_live=True)

    def hide(self, changes: Sequence[DropIndex]) -> None:
        """Keep the planner from seeing these existing indexes, in the open transaction."""
        oids = []
        for change in changes:
            name = qualified(change.schema, change.name)
            row = self._connection.execute("select pg_catalog.to_regclass($1)::oid::bigint", (name,)).fetchone()
            if row is not None and row[0] is not None:
                oids.append(int(str(row[0])))
        self._switch(oids, is_live=False)

    def _switch(self, oids: Sequence[int], *, is_live: bool) -> None:
        if oids:
            text = sql.load("twin_switch", self._connection.info.server_version)
            self._connection.execute(text, (list(oids), is_live))

    def _make(self, schema: str, table: str, group: dict[str, CreateIndex]) -> None:
        """Make the indexes of one table in a session of its own, which has not seen the table's true length."""
        with closing(connect(self._server.dsn(DATABASE), read_only=False)) as maker:
            row = maker.execute(
                "select pg_catalog.pg_relation_filepath(pg_catalog.to_regclass($1)::oid)", (qualified(schema, table),)
            ).fetchone()
            if row is None or row[0] is None:
                self._refused.update(dict.fromkeys(group, "its table is not on the twin"))
                return
            file = self._server.data_directory / str(row[0])
            pages = _length(file)
            set_length(file, 0)
            try:
                made = self._create(maker, group)
            finally:
                set_length(file, pages)
            for digest, oid in made.items():
                self._shape(maker, digest, oid)
            self._oids.update(made)

    def _create(self, maker: Connection, group: dict[str, CreateIndex]) -> dict[str, int]:
        made: dict[str, int] = {}
        with maker.transaction():
            for digest, change in group.items():
                try:
                    with maker.transaction():
                        maker.execute(change.sql(concurrently=False).encode())
                        name = qualified(change.schema, change.name)
                        row = maker.execute("select pg_catalog.to_regclass($1)::oid::bigint", (name,)).fetchone()
                        assert row is not None
                        made[digest] = int(str(row[0]))
                except psycopg.Error as error:
                    self._refused[digest] = str(source_error(error))
            if made:
                text = sql.load("twin_switch", maker.info.server_version)
                maker.execute(text, (list(made.values()), False))
        return made

    def _shape(self, maker: Connection, digest: str, oid: int) -> None:
        row = maker.execute(sql.load("twin_index_file", maker.info.server_version), (oid,)).fetchone()
        assert row is not None
        path = self._server.data_directory / str(row[0])
        is_btree, rows = bool(row[1]), float(str(row[2]))
        if not is_btree:
            self._sizes[digest] = _length(path) * PAGE_BYTES
            return
        keys, included = index_columns(maker, oid)
        tree: TreeSize = btree_size(rows, keys, included, is_deduplicated=is_deduplicated(path))
        set_length(path, max(tree.pages, 2 + tree.level))
        set_btree_height(path, tree.level)
        self._sizes[digest] = tree.size_bytes


def _length(file: Path) -> int:
    """Return the length in pages over all segments."""
    pages = file.stat().st_size // PAGE_BYTES
    segment = 1
    while pages == segment * SEGMENT_PAGES and (more := file.with_name(f"{file.name}.{segment}")).exists():
        pages += more.stat().st_size // PAGE_BYTES
        segment += 1
    return pages
