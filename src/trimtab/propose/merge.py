"""Unites what several queries want of a table into one wider index, where that stays inside the limits.

Pure rules: they only widen the choice, and whether one wide index beats two narrow ones is for the solver to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trimtab.model.catalog import Snapshot
from trimtab.propose.candidate import Candidate
from trimtab.propose.context import Limits
from trimtab.propose.plain import covering

MAX_PER_GROUP = 40


def merged(users: Mapping[Candidate, frozenset[str]], snapshot: Snapshot, limits: Limits) -> list[Candidate]:
    """Return the unions of candidates of which one's keys begin the other's. `users` are ids of the queries they serve.

    Only B-trees over the same rows are united. Two that serve the same queries are not: each of these has its own
    covering candidate already.
    """
    if "include" not in limits.kinds:
        return []
    alike: dict[tuple[str, str, tuple[str, ...]], list[Candidate]] = {}
    for candidate in sorted(users, key=lambda candidate: (-len(users[candidate]), _order(candidate))):
        if candidate.method == "btree":
            alike.setdefault((candidate.schema, candidate.table, candidate.predicate), []).append(candidate)
    found: list[Candidate] = []
    for wanted in alike.values():
        unions: dict[Candidate, None] = {}
        for longer in wanted:
            for other in wanted:
                if users[other] != users[longer]:
                    _unite(unions, longer, [other], snapshot, limits)
            _unite(unions, longer, wanted, snapshot, limits)
        fresh = [candidate for candidate in unions if candidate not in users]
        found += sorted(fresh, key=_order)[:MAX_PER_GROUP]
    return found


def _unite(
    unions: dict[Candidate, None], longer: Candidate, others: Sequence[Candidate], snapshot: Snapshot, limits: Limits
) -> None:
    """Add `longer`, widened by what the others hold as far as the limits allow."""
    table = snapshot.table(longer.schema, longer.table)
    assert table is not None
    columns = longer.columns
    for other in others:
        if longer.keys[: len(other.keys)] == other.keys and covering(
            table, longer.keys, columns | other.columns, limits
        ):
            columns |= other.columns
    included = covering(table, longer.keys, columns, limits)
    if included and columns != longer.columns:
        unions[replace(longer, included=included, rule="merged")] = None


def _order(candidate: Candidate) -> tuple[int, tuple[tuple[str, bool, bool], ...], tuple[str, ...], str]:
    keys = tuple((key.column, key.descending, key.nulls_first) for key in candidate.keys)
    return len(candidate.columns), keys, candidate.included, candidate.tail
