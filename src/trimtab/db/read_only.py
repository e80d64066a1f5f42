"""What makes the server keep a transaction one of reads. It is set by a SELECT at the transaction's begin.

That SELECT takes a snapshot: from there on the server refuses SET TRANSACTION READ WRITE. Sessions that only read send
one statement at a time (`connect`). Judges no text: `db.read_check` does.
"""

from __future__ import annotations

from collections.abc import Mapping


def read_limits(statement_timeout_ms: int) -> Mapping[str, str]:
    """Return the settings, by set_config(..., true), of one transaction in which the server lets nothing be written."""
    return {"transaction_read_only": "on", "statement_timeout": str(statement_timeout_ms)}
