"""The public Python interface to what an agent asks: a database as it is now, a verdict, a read. Thin.

Nothing here can change a source: no function takes an order to apply, and none opens a session that may write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.api_spec import BASE_SPEC, INDEX_KINDS, PLAN_KINDS, Compliance, compliance_of, refuse_other_kinds

if TYPE_CHECKING:
    from trimtab.lifecycle.looking import HealthNow, Heaviest, QueryNow
    from trimtab.lifecycle.one_read import Rows
    from trimtab.model.asked import Asked
    from trimtab.model.strategy import Strategy


_KINDS = {"index": (INDEX_KINDS, "an index strategy"), "plan": (PLAN_KINDS, "what holds a plan")}


def health_now(dsn: str) -> HealthNow:
    """Return how a database is now. Raises SourceError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import looking

    return looking.health_now(conninfo_for(dsn, None))


def heaviest_queries(dsn: str) -> Heaviest:
    """Return the queries that took the most time, as pg_stat_statements has counted them. Raises SourceError."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import looking

    return looking.heaviest(conninfo_for(dsn, None))


def query_now(dsn: str, query_id: str) -> QueryNow:
    """Return one of the heaviest queries with its plan of now. Raises SourceError, UsageError `query.unknown`."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import looking

    return looking.query_now(conninfo_for(dsn, None), query_id)


def judge(
    dsn: str,
    asked: Sequence[Asked],
    *,
    by: str,
    spec_id: str | Path = BASE_SPEC,
    kinds: str = "any",
    ledger_path: Path | None = None,
) -> tuple[Strategy, Compliance]:
    """Return the strategy that the changes are on a database, and what the specification, with its waivers, says of it.

    `kinds` is "any", or "index" or "plan" for a strategy of index changes alone, or of what holds a plan alone. Nothing
    is written and nothing tried. Raises SourceError, SpecError, UsageError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.governing import governing
    from trimtab.lifecycle.judging import asked_strategy
    from trimtab.paths import ledger_path as default_ledger_path
    from trimtab.validate.validate import validate

    place = ledger_path or default_ledger_path()
    specification = governing(spec_id, place)
    strategy, facts = asked_strategy(conninfo_for(dsn, None), asked, specification, by, place)
    if kinds in _KINDS:
        refuse_other_kinds(strategy.changes, *_KINDS[kinds])
    return strategy, compliance_of(validate(strategy, specification, facts))


def run_read(dsn: str, text: str, *, max_rows: int = 100, max_bytes: int = 64 * 1024) -> Rows:
    """Run one SELECT that somebody wrote, as a role that only reads, and return its first rows.

    Raises RefusedError `read.refused`, `read.overprivileged`; UsageError `read.too_long`; SourceError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle import one_read

    return one_read.run_read(conninfo_for(dsn, None), text, max_rows=max_rows, max_bytes=max_bytes)
