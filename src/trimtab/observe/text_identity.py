"""Tells which query a single text is: the id under which `workload_from_statements` and a workload's file have it.

Texts with literals and texts with `$n` in their places have the same id. No text leaves this file.
"""

from __future__ import annotations

from typing import NamedTuple

from trimtab.db.sql import split
from trimtab.errors import WorkloadError
from trimtab.observe.identity import QueryIds
from trimtab.observe.regrouping import regrouped
from trimtab.observe.utilities import unwrapped

_UNREADABLE = frozenset({"sql.syntax", "sql.too_large"})


class TextIdentity(NamedTuple):
    """The id of a text's query; or None, and why: `utility`, `several_statements`, `unreadable_sql`.

    `is_cursor` says that the text declares a cursor for the query, `is_prepare` that it prepares it.
    """

    query_id: str | None
    is_cursor: bool = False
    is_prepare: bool = False
    reason: str = ""


def identity_of(text: str) -> TextIdentity:
    """Return which query a text is. Never raises."""
    inner, is_cursor = unwrapped(text)
    try:
        statements = split(regrouped(inner))
    except (WorkloadError, RecursionError):
        return TextIdentity(None, is_cursor, reason="unreadable_sql")
    if len(statements) != 1:
        return TextIdentity(None, is_cursor, reason="several_statements" if statements else "utility")
    [statement] = statements
    if statement.kind is None:
        reason = "unreadable_sql" if statement.danger in _UNREADABLE else "utility"
        return TextIdentity(None, is_cursor, reason=reason)
    return TextIdentity(QueryIds().next_for(statement.fingerprint), is_cursor, inner != text and not is_cursor)
