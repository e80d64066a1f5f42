"""Rules on rebuilding an index. How large it is, is read from the catalog; how large a new one would be is the
proposer's estimate, and without one it is refused: what is not known is not allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.model.catalog import Index, Table
from trimtab.model.change import DropIndex, RebuildIndex
from trimtab.spec.quantity import size_text
from trimtab.validate.case import Case, Findings, broken, label


def index(case: Case) -> Findings:
    """The index is there, valid, the one that was measured, and not one that an earlier strategy drops."""
    rebuilt = case.pending_with_tables(RebuildIndex)
    if not rebuilt:
        return None
    dropped = {(c.schema, c.name) for c in case.earlier() if isinstance(c, DropIndex)}
    return [
        broken(
            "rebuilds.index",
            f"index {label(change.schema, change.name)} cannot be rebuilt",
            f"{path}.name",
            expected="the valid index that was measured",
            actual=found,
        )
        for path, change, _ in rebuilt
        if (found := _other(case, change, is_dropped=(change.schema, change.name) in dropped)) is not None
    ]


def _other(case: Case, change: RebuildIndex, *, is_dropped: bool) -> str | None:
    there = case.facts.index(change.schema, change.table, change.name)
    if there is None:
        return "none of that name"
    if is_dropped:
        return "one that this run drops"
    if there.oid != change.oid:
        return "another one of that name"
    return None if there.is_valid else "an invalid one"


def not_concurrently(case: Case) -> Findings:
    """REINDEX CONCURRENTLY can rebuild it: not what backs an exclusion constraint, nor is on a table as a whole."""
    known = list(_known(case))
    if not known:
        return None
    return [
        broken(
            "rebuilds.not_concurrently",
            f"index {label(change.schema, change.name)} cannot be rebuilt without blocking its table",
            f"{path}.name",
            expected="an index of one table, that backs no exclusion constraint",
            actual="one of a partitioned table" if table.kind == "p" else "one that backs an exclusion constraint",
        )
        for path, change, table, there in known
        if table.kind == "p" or there.is_exclusion
    ]


def allow(case: Case) -> Findings:
    """Rebuilding is allowed at all."""
    rebuilt = case.pending(RebuildIndex)
    if not rebuilt or case.spec.rebuilds.allow:
        return [] if rebuilt else None
    what = "indexes may not be rebuilt"
    return [
        broken("rebuilds.allow", what, path, expected="no rebuild", actual=f"rebuild of {label(change.name)}")
        for path, change in rebuilt
    ]


def max_size(case: Case) -> Findings:
    """The index, as it is, is no larger than allowed."""
    known, limit = list(_known(case)), case.spec.rebuilds.max_size_bytes
    if not known:
        return None
    return [
        broken(
            "rebuilds.max_size",
            f"index {label(change.name)} is too large to be rebuilt",
            path,
            expected=f"at most {size_text(limit)}",
            actual=size_text(there.size_bytes),
        )
        for path, change, _, there in known
        if there.size_bytes > limit
    ]


def min_excess(case: Case) -> Findings:
    """A new one is expected to hold so many bytes less."""
    known, limit = list(_known(case)), case.spec.rebuilds.min_excess_bytes
    if not known:
        return None
    return [
        broken(
            "rebuilds.min_excess",
            f"index {label(change.name)} has too little to be freed",
            path,
            expected=f"at least {size_text(limit)}",
            actual=_told(excess),
        )
        for path, change, _, there in known
        if (excess := _excess(case, change, there)) is None or excess < limit
    ]


def min_excess_percent(case: Case) -> Findings:
    """A new one is expected to hold so much less, as a share of the index as it is."""
    known, limit = list(_known(case)), case.spec.rebuilds.min_excess_percent
    if not known:
        return None
    return [
        broken(
            "rebuilds.min_excess_percent",
            f"index {label(change.name)} has too little to be freed",
            path,
            expected=f"at least {limit:g} % of it",
            actual=_told(excess),
        )
        for path, change, _, there in known
        if (excess := _excess(case, change, there)) is None or 100 * excess < limit * there.size_bytes
    ]


def _known(case: Case) -> Iterator[tuple[str, RebuildIndex, Table, Index]]:
    """Yield the rebuilds not done yet whose index is known."""
    for path, change, table in case.pending_with_tables(RebuildIndex):
        there = case.facts.index(change.schema, change.table, change.name)
        if there is not None:
            yield path, change, table, there


def _excess(case: Case, change: RebuildIndex, there: Index) -> int | None:
    """Return the bytes that rebuilding would free by the proposer's estimate, None without one."""
    estimate = case.strategy.evidence.get(f"size_bytes.{change.name}")
    if not isinstance(estimate, int | float) or estimate <= 0:
        return None
    return max(there.size_bytes - int(estimate), 0)


def _told(excess: int | None) -> str:
    return "no estimate" if excess is None else size_text(excess)
