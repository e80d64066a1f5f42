"""Carries functions that are LEAKPROOF to a throw-away server, where their owner may not say so: a superuser says it.

The word is blanked in the archive, whose texts stand behind their lengths, and put back into the catalog afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.fragments import fragments
from trimtab.db.parser import UnreadableSqlError, parse

_WORD = "LEAKPROOF"


def read_leakproof(source: Connection) -> list[tuple[str, str, str]]:
    """Return the schema, the name and the argument types, written as one text, of the user's own such functions."""
    rows = source.execute(queries.load("leakproof_functions", source.info.server_version)).fetchall()
    return [(schema, name, types) for schema, name, types in rows]


def mark_leakproof(admin: Connection, functions: Sequence[tuple[str, str, str]]) -> None:
    """Mark these, where they are there. Needs a superuser."""
    if functions:
        columns = [list(column) for column in zip(*functions, strict=True)]
        with admin.transaction():  # No operator of the database's own may stand in for PostgreSQL's.
            admin.execute("select pg_catalog.set_config('search_path', '', true)")
            admin.execute(queries.load("leakproof_mark", admin.info.server_version), columns)


def without_leakproof(archive: bytes, definitions: str) -> bytes:
    """Return the archive with blanks for the word. `definitions` is the script that pg_restore makes of it."""
    try:
        pieces = fragments(definitions)
    except UnreadableSqlError:  # Too large: what the server refuses is told.
        return archive
    for fragment in pieces:
        if _WORD in fragment.text:
            text = fragment.text.encode("utf-8", "surrogateescape")
            archive = archive.replace(text, _blanked(text, fragment.text))
    return archive


def is_likely(archive: bytes) -> bool:
    """Return whether the archive may define such a function."""
    return _WORD.encode() in archive


def _blanked(text: bytes, statement: str) -> bytes:
    try:
        trees = parse(statement)
    except UnreadableSqlError:  # Of a newer version: the server will refuse it, and is quoted.
        return text
    for tree in trees:
        for place in _places(tree.get("CreateFunctionStmt")):
            if text[place : place + len(_WORD)] == _WORD.encode():
                text = text[:place] + b" " * len(_WORD) + text[place + len(_WORD) :]
    return text


def _places(function: object) -> list[int]:
    options = function.get("options") if isinstance(function, Mapping) else None
    elements = [option.get("DefElem") for option in options or () if isinstance(option, Mapping)]
    return [int(e.get("location", 0)) for e in elements if isinstance(e, Mapping) and e.get("defname") == "leakproof"]
