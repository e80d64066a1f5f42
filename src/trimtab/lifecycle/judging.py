"""Reads the facts of a database for a verdict that is asked for by itself. Read-only; proposes and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from trimtab.db.connection import connect
from trimtab.lifecycle.asked import Prefixes, strategy_of
from trimtab.model.asked import Asked
from trimtab.model.catalog import Snapshot
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Workload
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Facts, facts_from

READ_TIMEOUT_MS = 60_000


def facts_of(conninfo: str) -> Facts:
    """Return what the catalog says now, as a change to it would be judged. Raises SourceError."""
    return facts_from(_read(conninfo))


def asked_strategy(
    conninfo: str, asked: Sequence[Asked], specification: Specification, by: str
) -> tuple[Strategy, Facts]:
    """Return the strategy that is asked for, as the specification would have it named, and the facts to judge it by.

    The facts are those of a proposal: that the session's role may not apply it is nothing against it. `by` is who asks.
    Raises SourceError, and UsageError as `strategy_of`.
    """
    snapshot = _read(conninfo)
    prefixes = Prefixes(specification.indexes.name_prefix, specification.statistics.name_prefix)
    return strategy_of(asked, snapshot, prefixes, by), facts_from(snapshot, is_applying=False)


def _read(conninfo: str) -> Snapshot:
    from trimtab.observe.snapshot import read_facts

    with closing(connect(conninfo, read_only=True, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        return read_facts(source, Workload((), "none"))
