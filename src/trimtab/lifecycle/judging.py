"""Reads the facts of a database for a verdict that is asked for by itself. Read-only; proposes and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from trimtab.db.role import reading
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.place import is_there
from trimtab.lifecycle.asked import Prefixes, strategy_of
from trimtab.model.asked import Asked
from trimtab.model.catalog import Snapshot
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Workload
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Facts, facts_from

READ_TIMEOUT_MS = 60_000


def facts_of(conninfo: str, ledger_path: Path | None) -> Facts:
    """Return what the catalog says now, as a change to it would be judged. Raises SourceError, LedgerError.

    By the time of the ledger's last entry, where there is one, waivers and bundles end too: it may be later than now.
    """
    return facts_from(_read(conninfo), latest_ns=_latest_ns(ledger_path))


def asked_strategy(
    conninfo: str, asked: Sequence[Asked], specification: Specification, by: str, ledger_path: Path
) -> tuple[Strategy, Facts]:
    """Return the strategy that is asked for, as the specification would have it named, and the facts to judge it by.

    The facts are those of a proposal: that the session's role may not apply it is nothing against it. `by` is who asks.
    Raises SourceError, LedgerError, and UsageError as `strategy_of`.
    """
    snapshot = _read(conninfo)
    prefixes = Prefixes(specification.indexes.name_prefix, specification.statistics.name_prefix)
    facts = facts_from(snapshot, is_applying=False, latest_ns=_latest_ns(ledger_path))
    return strategy_of(asked, snapshot, prefixes, by), facts


def _latest_ns(ledger_path: Path | None) -> int | None:
    """Who only asks for a verdict makes no ledger for it."""
    if ledger_path is None or not is_there(ledger_path):
        return None
    with Ledger.open(ledger_path) as ledger:
        last = ledger.last()
    return None if last is None else last.at_ns


def _read(conninfo: str) -> Snapshot:
    from trimtab.observe.snapshot import read_facts

    with closing(reading(conninfo, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        return read_facts(source, Workload((), "none"))
