"""Tells what a utility statement is to the workload: a wrapping around a query, work of the application's, or noise.

PREPARE and DECLARE hold the query that the application runs through them. CALL, DO, COPY and the like do work that no
single plan shows: it cannot be used, but it is not hidden either. Sessions, transactions and DDL are noise.
"""

from __future__ import annotations

from trimtab.db.parser import Node, UnreadableSqlError, parse, tokens_of
from trimtab.observe.names import opened

# Newer servers put `$n` for the names in these, which no parser reads.
_UNREADABLE_NOISE = frozenset({"DEALLOCATE", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "SET"})
# The word after which the query begins; what stands in brackets before it are types of parameters.
_WRAPPINGS = {"PrepareStmt": "AS", "DeclareCursorStmt": "FOR"}
_WORK = {"CallStmt": "CALL", "DoStmt": "DO", "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW"}


def unwrapped(text: str) -> tuple[str, bool]:
    """Return the query that a PREPARE or a DECLARE holds, and whether it is a cursor's; any other text as it is."""
    try:
        (tree,) = parse(text)
        kind = opened(tree)[0]
        word = _WRAPPINGS.get(kind)
        return (text, False) if word is None else (_after(text, word), kind == "DeclareCursorStmt")
    except (UnreadableSqlError, ValueError):
        return text, False


def work_of(text: str) -> str | None:
    """Return the kind of the application's work that a utility statement does ("CALL", "COPY"), or None for noise.

    A COPY of a whole table to the client is what dumps send, the lab's own among them, and is noise.
    """
    try:
        (tree,) = parse(text)
    except (UnreadableSqlError, ValueError):
        return None
    kind, fields = opened(tree)
    if kind == "CopyStmt":
        return "COPY" if fields.get("is_from") or "query" in fields else None
    if kind == "SelectStmt" or (kind == "CreateTableAsStmt" and _makes_table(fields)):
        return "CREATE TABLE AS"
    return _WORK.get(kind)


def is_unreadable_noise(text: str) -> bool:
    """Return whether a text that cannot be read is one of a session or a transaction, by its first word."""
    try:
        kinds = [token.kind for token in tokens_of(text) if not token.is_comment][:2]
    except UnreadableSqlError:
        return False
    return kinds == ["PREPARE", "TRANSACTION"] or not _UNREADABLE_NOISE.isdisjoint(kinds[:1])


def _makes_table(fields: Node) -> bool:
    return fields.get("objtype") == "OBJECT_TABLE"


def _after(text: str, word: str) -> str:
    depth = 0
    for token in tokens_of(text):
        depth += {"(": 1, ")": -1}.get(token.kind, 0)
        if depth == 0 and token.kind == word:
            return text.encode()[token.end :].decode().strip()
    return text
