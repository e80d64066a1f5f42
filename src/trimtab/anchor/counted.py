"""Makes of two readings of pg_stat_statements what each query did between them. Pure; reads nothing.

Counters that began anew, or went backwards, are told and never differenced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from typing import TypeAlias

from trimtab.model.anchor import Counted
from trimtab.model.traffic import Counter, Counters, StatementKey

Parts: TypeAlias = dict[str, list[tuple[float, float]]]
"""By query, calls and blocks of each part of a window in which it ran."""
LEAST_PARTS = 5
"""Of fewer parts nothing is said: their scatter is that of chance."""


@dataclass(frozen=True, slots=True)
class CountedWindow:
    """What was counted, by query id, and how many statements could not be told: their counters began anew, or are gone.

    `evictions` is how often the server had to forget statements, since its last reset.
    """

    by_query: Mapping[str, Counted]
    begun_anew: int
    evictions: int | None = None


def counted_between(begin: Counters, end: Counters, queries: Mapping[StatementKey, str]) -> CountedWindow:
    """Return what the statements of these queries did between the readings. `begin` may hold nothing at all.

    A query that did not run in between is not in it. All statements of the server count for the shares of time.
    """
    if not begin.is_continued_by(end) or (not end.reset and _has_forgotten(begin, end)):
        return CountedWindow({}, len(queries), end.evictions)
    steps = {key: step for key in end.by_statement if (step := _step(begin, end, key)) is not None}
    total_ms = sum(step.total_ms for key, step in steps.items() if key[2])
    of_query: dict[str, list[tuple[StatementKey, Counter]]] = defaultdict(list)
    begun_anew = 0
    for key, query_id in queries.items():
        if (step := steps.get(key)) is None:
            begun_anew += 1
        elif step.calls:
            of_query[query_id].append((key, step))
    by_query = {query_id: _counted(found, total_ms) for query_id, found in of_query.items()}
    return CountedWindow(by_query, begun_anew, end.evictions)


def parts_of(readings: Sequence[Counters], queries: Mapping[StatementKey, str]) -> Parts:
    """Return what each query did between each reading and the next: calls and blocks, of those in which it ran."""
    found: Parts = defaultdict(list)
    for begin, end in pairwise(readings):
        if not begin.is_continued_by(end):
            continue
        steps: dict[str, list[Counter | None]] = defaultdict(list)
        for key, query_id in queries.items():
            if key in end.by_statement:
                steps[query_id].append(_step(begin, end, key))
        for query_id, counters in steps.items():
            known = [step for step in counters if step is not None]
            calls = sum(step.calls for step in known)
            if calls and len(known) == len(counters):
                found[query_id].append((float(calls), float(sum(step.blocks for step in known))))
    return found


def with_deviations(window: CountedWindow, parts: Parts) -> CountedWindow:
    """Return the window that tells by how much the blocks of one call scatter, of queries that ran in enough parts.

    It is the deviation of independent calls whose sums would scatter as those of the parts do: calls that are like
    their neighbours, as after a cache was filled or a table grew, count with what they are worth (batch means).
    """
    told = dict(window.by_query)
    for query_id, each in parts.items():
        if query_id not in told or len(each) < LEAST_PARTS:
            continue
        mean = sum(blocks for _, blocks in each) / sum(calls for calls, _ in each)
        squares = sum((blocks - calls * mean) ** 2 / calls for calls, blocks in each)
        deviation = round(sqrt(squares / (len(each) - 1)), 4)
        told[query_id] = replace(told[query_id], blocks_deviation=deviation, blocks_parts=len(each))
    return replace(window, by_query=told)


def _has_forgotten(begin: Counters, end: Counters) -> bool:
    """Return whether counters are gone, or smaller. Where no reset is told, the others may have begun anew too."""
    return any(key not in end.by_statement or _step(begin, end, key) is None for key in begin.by_statement)


def since_then(was: Counted, now: Counted) -> Counted | None:
    """Return what was counted after `was`, where `now` counts from the same moment on; None when it did not run since.

    Also where some of its counters were forgotten or reset meanwhile, and where they went backwards. Where all were,
    the new ones hold nothing of before. `share` is left as it was.
    """
    if was.since and now.since and not set(was.since) <= set(now.since):
        return now if set(was.since).isdisjoint(now.since) else None
    calls = now.calls - was.calls
    if calls <= 0:
        return None

    def between(before: float, after: float) -> float:
        return max((now.calls * after - was.calls * before) / calls, 0.0)

    mean_ms = between(was.mean_ms, now.mean_ms)
    squares = between(was.deviation_ms**2 + was.mean_ms**2, now.deviation_ms**2 + now.mean_ms**2)
    return replace(
        now,
        calls=calls,
        mean_ms=round(mean_ms, 6),
        deviation_ms=round(sqrt(max(squares - mean_ms**2, 0.0)), 6),
        rows=round(between(was.rows, now.rows), 4),
        blocks=round(between(was.blocks, now.blocks), 4),
        temporary_blocks=round(between(was.temporary_blocks, now.temporary_blocks), 4),
    )


def _counted(found: list[tuple[StatementKey, Counter]], total_ms: float) -> Counted:
    steps = [step for _, step in found]
    calls = sum(step.calls for step in steps)
    mean_ms = sum(step.total_ms for step in steps) / calls
    variance = max(sum(step.squares for step in steps) / calls - mean_ms**2, 0.0)
    return Counted(
        server_ids=tuple(sorted({str(query_id) for (_, query_id, _), _ in found})),
        calls=calls,
        mean_ms=round(mean_ms, 6),
        deviation_ms=round(sqrt(variance), 6),
        share=round(mean_ms * calls / total_ms, 6) if total_ms > 0 else 0.0,
        rows=round(sum(step.rows for step in steps) / calls, 4),
        blocks=round(sum(step.blocks for step in steps) / calls, 4),
        temporary_blocks=round(sum(step.temporary_blocks for step in steps) / calls, 4),
        since=tuple(sorted({step.since for step in steps if step.since})),
    )


def _step(begin: Counters, end: Counters, key: StatementKey) -> Counter | None:
    """Return what was counted in between, None where the counter began anew."""
    first, last = begin.by_statement.get(key), end.by_statement[key]
    return last if first is None else last.after(first)
