"""Moments in signed documents: UTC, to the second, written in one way. Reads; compares nothing, asks no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

DAY_SECONDS = 86_400
PATTERN = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"
_FORM = re.compile(PATTERN)


def unix_of(value: object) -> int:
    """Return the seconds since 1970. Raises ValueError for anything but "2026-12-31T18:00:00Z"."""
    if not isinstance(value, str) or _FORM.fullmatch(value) is None:
        raise ValueError('must be a moment in quotes and in UTC, as "2026-12-31T18:00:00Z"')
    return int(datetime.fromisoformat(value).timestamp())


def text_of(unix: int) -> str:
    """Return the moment as documents write it."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Moment: TypeAlias = Annotated[
    int, BeforeValidator(unix_of), WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$"})
]
