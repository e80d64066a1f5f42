"""Cuts a list into pages, by number and by bytes, and reads the cursors that it hands out. Pure.

A cursor says where its list goes on, and of which tool it is. It is what a client sends back, so it is believed no
further than a number.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from trimtab.errors import UsageError

_LONGEST = 200
_FURTHEST = 1_000_000
_PAGE_BYTES = 96 * 1024
_Item = TypeVar("_Item")
_Shown = TypeVar("_Shown", bound=BaseModel)


def page(
    items: Sequence[_Item], shown: Callable[[_Item], _Shown], *, of: str, cursor: str | None, limit: int
) -> tuple[list[_Shown], str | None]:
    """Return the items of one page, as `shown`, and the cursor of the next one, None at the end.

    `of` names the list. Raises UsageError `mcp.cursor`.
    """
    start = offset_of(cursor, of)
    found: list[_Shown] = []
    size = 0
    for item in items[start : start + limit]:
        one = shown(item)
        size += len(one.model_dump_json())
        if found and size > _PAGE_BYTES:
            break
        found.append(one)
    end = start + len(found)
    return found, next_cursor(of, end) if end < len(items) else None


def next_cursor(of: str, start: int) -> str:
    """Return the cursor of the list `of` that goes on at `start`."""
    return base64.urlsafe_b64encode(json.dumps([of, start]).encode()).decode().rstrip("=")


def offset_of(cursor: str | None, of: str) -> int:
    """Return where a cursor goes on, 0 without one. Raises UsageError `mcp.cursor`."""
    if cursor is None:
        return 0
    try:
        if len(cursor) > _LONGEST:
            raise ValueError("too long")
        name, start = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if name != of or type(start) is not int or not 0 <= start <= _FURTHEST:
            raise ValueError("not of this list")
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise UsageError(
            "the cursor is none of this tool's",
            code="mcp.cursor",
            next_step="Give next_cursor as it was answered, to the same tool with the same arguments; or none.",
        ) from None
    return start
