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
from trimtab.twin.estimate import Shape, existing_shapes, write_shape
from trimtab.twin.pages import set_length
from trimtab.twin.source import Source


@dataclass(frozen=True, slots=True)
class FileWork:
    """A file and the shape that it gets."""

    path: Path
    shape: Shape

    def do(self) -> None:
        """Shape the file; one that is longer than it should be is cut."""
        set_length(self.path, self.shape.pages)
        write_shape(self.path, self.shape)


def file_work(
    twin: Connection, source: Source, data_directory: Path, only: Collection[tuple[str, str]] | None = None
) -> list[FileWork]:
    """Return the work on every relation that is on the source and on the twin, or on some of them only."""
    facts = {(r.schema, r.name): r for r in source.relations if r.pages is not None}
    rows = twin.execute(queries.load("twin_files", twin.info.server_version)).fetchall()
    known = [
        (facts[schema, name], oid, path, method) for schema, name, oid, path, method in rows if (schema, name) in facts
    ]
    tables = {oid: fact.pages or 0 for fact, oid, _, method in known if method is None}
    wanted = [row for row in known if only is None or (row[0].schema, row[0].name) in only]
    work = []
    unknown: dict[int, int] = {}
    for fact, oid, path, method in wanted:
        pages = fact.pages or 0
        if method is None or fact.height is not None:
            work.append(FileWork(data_directory / path, Shape(pages, fact.rows, level=fact.height)))
        elif pages > 1:
            unknown[oid] = pages
    twin.execute(b"CHECKPOINT")  # The first page of an index tells how it is made, and may be in buffers alone.
    return [*work, *(FileWork(*found) for found in existing_shapes(twin, data_directory, unknown, tables).values())]
