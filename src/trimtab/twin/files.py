"""Gives the files of the twin's relations the lengths and shapes that the planner looks for.

Which file is which is asked while the server runs; what is written to them is written while it is down, so that no page
is in its buffers and none is written behind our back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.twin.columns import index_columns
from trimtab.twin.pages import set_btree_height, set_length
from trimtab.twin.size import tree_of
from trimtab.twin.source import Source


@dataclass(frozen=True, slots=True)
class FileWork:
    """A file, its length in pages, and the level of the root if it is a B-tree of more than one page."""

    path: Path
    pages: int
    level: int | None

    def do(self) -> None:
        """Shape the file."""
        set_length(self.path, self.pages)
        if self.level is not None:
            set_btree_height(self.path, self.level)


def file_work(
    twin: Connection, source: Source, data_directory: Path, only: Collection[tuple[str, str]] | None = None
) -> list[FileWork]:
    """Return the work on every relation that is on the source and on the twin, or on some of them only.

    The metapages of existing GIN and BRIN indexes belong here too, as another part of FileWork.
    """
    facts = {(r.schema, r.name): r for r in source.relations if r.pages is not None}
    rows = [
        row
        for row in twin.execute(queries.load("twin_files", twin.info.server_version)).fetchall()
        if (row[0], row[1]) in facts and (only is None or (row[0], row[1]) in only)
    ]
    # An empty B-tree is a metapage without a root, as it is here already.
    trees = {oid for schema, name, oid, _, is_btree in rows if is_btree and (facts[schema, name].pages or 0) > 1}
    unknown = index_columns(twin, [row[2] for row in rows if row[2] in trees and facts[row[0], row[1]].height is None])
    work = []
    for schema, name, oid, path, _ in rows:
        pages, level = facts[schema, name].pages or 0, None
        if oid in trees:
            level = facts[schema, name].height
            if level is None:
                level = tree_of(pages, unknown[oid].keys).level
            pages = max(pages, 2 + level)
        work.append(FileWork(data_directory / path, pages, level))
    return work
