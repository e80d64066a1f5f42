"""Reads the facts of a database for a verdict that is asked for by itself. Read-only; proposes and changes nothing."""

from __future__ import annotations

from contextlib import closing

from trimtab.validate.facts import Facts, facts_from

READ_TIMEOUT_MS = 60_000


def facts_of(conninfo: str) -> Facts:
    """Return what the catalog says now, as a change to it would be judged. Raises SourceError."""
    from trimtab.db.connection import connect
    from trimtab.model.workload import Workload
    from trimtab.observe.snapshot import read_facts

    with closing(connect(conninfo, read_only=True, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        return facts_from(read_facts(source, Workload((), "none")))
