"""Takes a message of auto_explain apart: the statement's text, the shape of its plan, the server's id of the query.

Reads its forms `text` and `json`. In the text form the plan begins where the statement's text is whole: what looks like
a plan inside of a string or a comment is not one.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from trimtab.db.explain_text import PLAN_LINE, plan_of_text
from trimtab.db.parser import MAX_STATEMENT_BYTES, UnreadableSqlError, tokens_of
from trimtab.model.plan import Plan
from trimtab.observe.logs.entry import query_id_of

_TEXT = "Query Text: "
# Values are quoted as in SQL; a long one is cut off inside of its quotes.
_PARAMETERS = re.compile(r"Query Parameters: (?:\$\d+ = (?:NULL|'(?:[^']|'')*+'(?:\.\.\.)?)(?:, )?)++\n")
_BOUNDARY = re.compile(rf"^(?={_PARAMETERS.pattern}|{PLAN_LINE.pattern})", re.MULTILINE)
_QUERY_ID = re.compile(r"^Query Identifier: (-?\d{1,20})$", re.MULTILINE)
_MOST_BOUNDARIES = 20


class Explained(NamedTuple):
    """What auto_explain told; `shape` is None where the plan could not be read."""

    text: str
    shape: str | None
    server_query_id: int | None


def explained(body: str) -> Explained | None:
    """Return what stands behind "plan:", or None for a form that is not read. Never raises."""
    try:
        return _of_json(body) if body.startswith("{") else _of_text(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _of_json(body: str) -> Explained | None:
    told = json.loads(body)
    text = told["Query Text"]
    if not isinstance(text, str):
        return None
    return Explained(text, Plan.unread(f"[{body}]").shape_hash, query_id_of(told.get("Query Identifier")))


def _of_text(body: str) -> Explained | None:
    if not body.startswith(_TEXT):
        return None
    for number, boundary in enumerate(_BOUNDARY.finditer(body, len(_TEXT))):
        if number == _MOST_BOUNDARIES:
            return None
        text = body[len(_TEXT) : boundary.start()].removesuffix("\n")
        if _is_whole(text):
            parameters = _PARAMETERS.match(body, boundary.start())
            plan = body[boundary.start() if parameters is None else parameters.end() :]
            ids = _QUERY_ID.findall(plan)
            return Explained(text, plan_of_text(plan).shape_hash, query_id_of(ids[-1]) if ids else None)
    return None


def _is_whole(text: str) -> bool:
    """Return whether no string, name or comment is open at the end of a text."""
    try:
        tokens_of(text, limit_bytes=MAX_STATEMENT_BYTES)
    except UnreadableSqlError:
        return False
    return True
