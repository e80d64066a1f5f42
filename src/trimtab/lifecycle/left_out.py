"""Says of which queries a run saw only plans: those that the lab could not run, and those that run in a clone alone.

They are part of the workload, so they are named among the skipped when the run is told. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from trimtab.model.workload import Query, Skipped, Workload

if TYPE_CHECKING:
    from trimtab.trial.run import Trials


def with_left_out(workload: Workload, trials: Trials | None, *, is_applying: bool) -> Workload:
    """Return the workload with the queries that were not run, in the lab or on the source, among the skipped."""
    failures = trials.failures if trials is not None else {}
    unlike = trials.unlike if trials is not None else {}
    is_clone = trials is None or trials.clone_dsn is not None
    found = tuple(_left_out(workload, failures=failures, unlike=unlike, is_clone=is_clone, is_applying=is_applying))
    return replace(workload, skipped=(*workload.skipped, *found))


def _left_out(
    workload: Workload,
    *,
    failures: Mapping[str, str],
    unlike: Mapping[str, str],
    is_clone: bool,
    is_applying: bool,
) -> Iterator[Skipped]:
    for query in workload.queries:
        if query.id in unlike:
            reason = f"the lab lacks {unlike[query.id]}: the query was planned only, no trial and no total knows it"
            yield _skipped(query, "query.lab_differs", reason)
        elif query.id in failures:
            reason = f"the lab could not run it (SQLSTATE {failures[query.id]}): no trial and no total knows it"
            yield _skipped(query, "query.not_run", reason)
        elif query.clone_only and not is_clone:
            reason = f"{query.clone_only}, and the lab is no clone: it was planned only, no trial and no total knows it"
            yield _skipped(query, "query.clone_only", reason)
        elif query.clone_only and is_applying:
            reason = f"{query.clone_only}: it was run in the clone, and on the source it is planned only"
            yield _skipped(query, "query.clone_only", reason)


def _skipped(query: Query, code: str, reason: str) -> Skipped:
    return Skipped(query.name, query.normalized_text, query.weight, code, reason)
