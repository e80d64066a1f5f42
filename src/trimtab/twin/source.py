"""Reads what the twin needs to know of the source beside its schema: locale, lengths, rights, how it reads a query.

Read-only catalog queries; what this role may not see becomes a problem in words, not a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.twin.extended import ExtendedValues, may_read_values, read_values
from trimtab.twin.heights import read_heights

BLOCK_BYTES = 8192
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Source:
    """The facts. `lengths` are pages and `heights` levels of B-trees, by (schema, name).

    `parsing` are settings that decide what a text means.
    """

    encoding: str
    provider: str
    collation: str
    character_type: str
    locale: str
    parsing: Mapping[str, str]
    lengths: Mapping[tuple[str, str], int]
    heights: Mapping[tuple[str, str], int]
    unreadable: tuple[tuple[str, str], ...]
    extended: tuple[ExtendedValues, ...]
    problems: tuple[str, ...]

    @property
    def has_plain_order(self) -> bool:
        """True when texts are ordered by their bytes, so that LIKE 'a%' can use any B-tree."""
        return self.provider == "b" or (self.provider == "c" and self.collation in ("C", "POSIX"))


def read_source(connection: Connection) -> Source:
    """Return what the source's catalog says now."""
    version = connection.info.server_version
    facts = connection.execute(queries.load("twin_source", version)).fetchone()
    assert facts is not None, "a session is in a database"
    encoding, provider, collation, character_type, locale, block_bytes, search_path, parsing = facts
    rights = connection.execute(queries.load("twin_rights", version)).fetchall()
    unreadable = tuple((schema, name) for schema, name, may_read in rights if not may_read)
    hidden = [(schema, name) for schema, name, may_read in rights if may_read]
    lengths = connection.execute(queries.load("twin_lengths", version)).fetchall()
    extended = tuple(read_values(connection)) if may_read_values(connection) else None
    problems = []
    if unreadable:
        problems.append(f"not on the twin, because this role may not read them: {_names(unreadable)}")
    if hidden:
        problems.append(f"row-level security hides the statistics of {_names(hidden)} from this role")
    if extended is None and connection.execute(queries.load("twin_has_extended", version)).fetchone():
        problems.append("extended statistics are not readable for this role: their estimates are missing on the twin")
    partial = [(e.schema, e.name) for e in extended or () if e.has_expressions]
    if partial:
        problems.append(f"extended statistics keep no values of expressions on the twin: {_names(partial)}")
    if block_bytes != BLOCK_BYTES:
        problems.append(f"the source's pages are {block_bytes} bytes, the twin's {BLOCK_BYTES}: costs differ")
    return Source(
        encoding=encoding,
        provider=provider,
        collation=collation,
        character_type=character_type,
        locale=locale,
        parsing={**parsing, "search_path": search_path},
        lengths={(schema, name): pages for schema, name, pages in lengths},
        heights=read_heights(connection),
        unreadable=unreadable,
        extended=extended or (),
        problems=tuple(problems),
    )


def _names(relations: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{schema}.{name}" for schema, name in relations[:_NAMED])
    more = len(relations) - _NAMED
    return shown if more <= 0 else f"{shown} and {more} more"
