"""Names for what Trimtab makes: readable, within PostgreSQL's 63 bytes, and equal whenever the definition is equal.

Also how a title names a table, so that tables of one name in two schemas are told apart. Never looks at which names are
taken: the digest keeps two definitions apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MAX_NAME_BYTES = 63
_DIGEST_LENGTH = 8


def object_name(prefix: str, words: Iterable[str], definition: str) -> str:
    """Return `prefix`, the words as far as there is room, and a digest of the definition."""
    digest = hashlib.sha256(definition.encode()).hexdigest()[:_DIGEST_LENGTH]
    stem = re.sub(r"[^a-z0-9_]+", "_", "_".join(words).lower())
    room = MAX_NAME_BYTES - len(prefix.encode()) - 1 - _DIGEST_LENGTH
    return f"{prefix}{stem[: max(room, 0)]}_{digest}"


def titled(schema: str, table: str) -> str:
    """Return the table as a title names it: the schema is told unless it is `public`, whatever else is there."""
    return table if schema == "public" else f"{schema}.{table}"
