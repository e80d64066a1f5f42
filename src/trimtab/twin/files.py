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
from trimtab.twin.ends import Entries, entries_of
from trimtab.twin.estimate import Shape, existing_shapes, write_shape
from trimtab.twin.pages import set_length
from trimtab.twin.source import Source


@dataclass(frozen=True, slots=True)
class FileWork:
    """A file and its length in pages; of an index also what stands in its metapage, and the ends that it holds."""

    path: Path
    pages: int
    shape: Shape | None = None
    entries: Entries | None = None

    def do(self) -> None:
        """Shape the file; one that is longer than it should be is cut."""
        set_length(self.path, self.pages)
        if self.shape is not None:
            write_shape(self.path, self.shape)
        if self.entries is not None:
            self.entries.write()


def file_work(
    twin: Connection, source: Source, data_directory: Path, only: Collection[tuple[str, str]] | None = None
) -> list[FileWork]:
    """Return the work on every relation that is on the source and on the twin, or on some of them only.

    No transaction may be open.
    """
    twin.execute(b"CHECKPOINT")  # Metapages are read from the files.
    facts = {(r.schema, r.name): r for r in source.relations if r.pages is not None}
    rows = twin.execute(queries.load("twin_files", twin.info.server_version)).fetchall()
    known = {oid: facts[schema, name] for schema, name, oid, *_ in rows if (schema, name) in facts}
    wanted = [row for row in rows if row[2] in known and (only is None or (row[0], row[1]) in only)]
    lengths = {oid: fact.pages or 0 for oid, fact in known.items()}
    shapes = existing_shapes(
        twin,
        data_directory,
        {oid: lengths[oid] for _, _, oid, *_ in wanted if known[oid].kind == "i"},
        {oid: pages for oid, pages in lengths.items() if known[oid].kind != "i"},
        {oid: fact.height for oid, fact in known.items() if fact.height is not None},
    )
    work = [FileWork(data_directory / path, lengths[oid]) for _, _, oid, path, _ in wanted if oid not in shapes]
    entries = {one.path: one for one in entries_of(twin, data_directory, source.ends)}
    return work + [FileWork(path, shape.pages, shape, entries.get(path)) for path, shape in shapes.values()]
