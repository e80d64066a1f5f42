"""Asks the source for its own plans of a workload, to compare the twin's with. No query is run.

What the source does not plan is told query by query; where its session ends in the middle, the others are asked in a
new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.db.failures import ServerError
from trimtab.errors import SourceError, TrimtabError
from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.roles import asked_as


def plans_of_source(
    source: Connection, queries: Sequence[Query], role: str | None, reopen: Callable[[], Connection] | None = None
) -> list[Plan | PlanFailure]:
    """Return the source's plans, asked as `role` where there is one.

    `reopen` gives another session when this one ended, which is closed here; without it the loss is raised. Raises
    ServerError, and what `asked_as` raises.
    """
    found: list[Plan | PlanFailure] = []
    _ask(source, queries, role, found, is_lasting=reopen is None)
    while reopen is not None and len(found) < len(queries):
        try:
            other = reopen()
        except SourceError as error:
            return found + [PlanFailure("", str(error))] * (len(queries) - len(found))
        with other:
            _ask(other, queries[len(found) :], role, found, is_lasting=False)
    return found


def _ask(
    source: Connection, queries: Sequence[Query], role: str | None, found: list[Plan | PlanFailure], *, is_lasting: bool
) -> None:
    """Add the plans to `found`, up to the query that ends the session; that is raised where it `is_lasting`."""
    try:
        with nullcontext() if role is None else asked_as(source, role):
            for query in queries:
                try:
                    found.append(explain(source, query))
                except TrimtabError as error:
                    if source.closed and is_lasting:
                        raise
                    found.append(PlanFailure(error.sqlstate if isinstance(error, ServerError) else "", str(error)))
                    if source.closed:
                        return
    except SourceError:  # The end of a lost transaction fails too.
        if is_lasting or not source.closed or not found:
            raise
