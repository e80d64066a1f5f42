"""Compares two anchors, of one server or of two: which queries got slower or faster, with a bounded error, and why not.

Pure. What all queries whose plan is the same have in common (host, load) is taken out, and told. One error rate is
shared out over the queries. What cannot be judged says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from math import exp
from statistics import median

from trimtab.anchor.counted import since_then
from trimtab.anchor.family import shared_error_rates
from trimtab.anchor.stability import stability
from trimtab.lifecycle.compared_dimensions import compared_dimensions
from trimtab.lifecycle.compared_queries import Pair, Shared, changes_of_means, in_common, judged, shared_load
from trimtab.lifecycle.compared_surroundings import differences, has_forgotten
from trimtab.model.anchor import Anchor, QueryLevel
from trimtab.model.comparison import Comparison, Finding, Judgement, QueryComparison
from trimtab.model.stability import Stability


def compare(earlier: Anchor, later: Anchor, *, error_rate: float, margin: float) -> Comparison:
    """Return what the later anchor says beside the earlier one. `margin` 0.1: up to 10 % slower counts as the same."""
    later_seconds = _seconds(later.since, later.until)
    if is_continued(earlier, later):
        later_seconds = _seconds(earlier.until, later.until)
    later = what_ran_since(earlier, later)
    pairs = pairs_of(earlier, later)
    changes = changes_of_means(pairs)
    shares = {level.query_id: share_of(level, earlier) for level, _ in pairs}
    rates = shared_error_rates(shares, error_rate)
    shared = shared_load(pairs, rates, margin, is_one_server=earlier.server == later.server)
    queries = [
        judged(
            was,
            now,
            shares[was.query_id],
            common=in_common([change for query_id, change in changes.items() if query_id != was.query_id]),
            shared=shared.get(was.query_id),
            error_rate=rates[was.query_id],
            margin=margin,
        )
        for was, now in pairs
    ]
    known = {level.query_id for level in earlier.queries}
    found = {level.query_id for level in later.queries}
    return Comparison(
        earlier.id,
        later.id,
        _finding(queries),
        error_rate,
        margin,
        _common(changes, shared),
        tuple(sorted(queries, key=lambda query: (-query.share, query.query_id))),
        compared_dimensions(
            earlier,
            later,
            (_seconds(earlier.since, earlier.until), later_seconds),
            pairs,
            queries,
            error_rate=error_rate,
            margin=margin,
        ),
        differences(earlier, later),
        tuple(sorted(known - found)),
        tuple(sorted(found - known)),
        _stability(queries),
    )


def pairs_of(earlier: Anchor, later: Anchor) -> list[Pair]:
    """Return the levels of each query that both have."""
    return [(level, other) for level in earlier.queries if (other := later.query(level.query_id)) is not None]


def share_of(level: QueryLevel, anchor: Anchor) -> float:
    """Return the query's share of the time: as counted, else of what was run, by the queries' weights."""
    if level.counted is not None:
        return level.counted.share
    total = sum(other.p50_ms * other.weight for other in anchor.queries if other.counted is None)
    return round(level.p50_ms * level.weight / total, 6) if total > 0 else 0.0


def is_continued(earlier: Anchor, later: Anchor) -> bool:
    """Return whether the later anchor's counters hold those of the earlier one: of one server, since one moment."""
    is_same = (earlier.server, earlier.is_standby) == (later.server, later.is_standby)
    return is_same and earlier.since is not None and earlier.since == later.since and earlier.until < later.until


def what_ran_since(earlier: Anchor, later: Anchor) -> Anchor:
    """Return the later anchor with what was counted after the earlier one alone, where its counters hold both."""
    if not is_continued(earlier, later):
        return later
    levels = []
    for level in later.queries:
        was = earlier.query(level.query_id)
        found = level.counted
        if was is not None and was.counted is not None and level.counted is not None:
            is_told = bool(level.counted.since) or not has_forgotten(earlier, later)
            found = since_then(was.counted, level.counted) if is_told else None
        levels.append(replace(level, counted=found))
    return replace(later, queries=tuple(levels))


def _seconds(since: str | None, until: str) -> float | None:
    """Return the length of a window, None where nobody knows it."""
    try:
        found = (datetime.fromisoformat(until) - datetime.fromisoformat(since or "")).total_seconds()
    except ValueError:
        return None
    return found if found > 0 else None


def _finding(queries: Sequence[QueryComparison]) -> Finding:
    kinds = {query.judgement for query in queries}
    if Judgement.SLOWER in kinds:
        return Finding.WORSE
    if Judgement.FASTER in kinds:
        return Finding.BETTER
    return Finding.SAME if Judgement.SAME in kinds else Finding.UNKNOWN


def _common(changes: dict[str, float], shared: dict[str, Shared]) -> float | None:
    """Return by how much queries whose plan is the same changed together: of means, else of executions."""
    found = in_common(list(changes.values()))
    if found is not None:
        return exp(found.log_ratio)
    return median(each.factor for each in shared.values()) if shared else None


def _stability(queries: Sequence[QueryComparison]) -> Stability | None:
    each = [query.stability for query in queries if query.stability is not None]
    return stability(sum(found.observed for found in each), sum(found.breaches for found in each))
