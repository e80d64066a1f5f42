"""Makes totals, pages and series of queries from what ran, and latencies and plans from single executions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from trimtab.history.executions import Executions, unpack_executions
from trimtab.history.sample import Sample
from trimtab.history.slots import Slot
from trimtab.history.store import KnownStatement
from trimtab.history.tiers import LENGTH_NS, SECOND_NS
from trimtab.history.values import Latency, PlanSeen, Point, QueryPage, QueryTotals, Ran, Series, Window
from trimtab.model.watched import BLOCKS, CALLS, ROWS, SQUARES, TEMPORARY_BLOCKS, TOTAL_MS

SOURCE = "pg_stat_statements"
LOG_SOURCE = "the server's log"
REST = "rest"
"""The id of all queries that are not kept one by one."""


def query_totals(
    slots: Sequence[Slot], known: Callable[[Iterable[int]], Mapping[int, KnownStatement]]
) -> tuple[list[QueryTotals], QueryTotals | None]:
    """Return what each query did, and all that is not kept one by one. Statements of one id are one query."""
    numbers, counts = _sums(slots)
    statements = known(numbers.tolist())
    is_counted = [number not in statements or statements[number].is_workload for number in numbers.tolist()]
    whole_ms = float(counts[np.array(is_counted, dtype=bool), TOTAL_MS].sum())
    by_id: dict[str, QueryTotals] = {}
    rest = None
    for number, row in zip(numbers.tolist(), counts, strict=True):
        statement = statements.get(number)
        if statement is None:
            rest = _added(rest, _totals(REST, "", row, whole_ms, 0, 0))
            continue
        query_id = statement.name or f"statement {statement.key[1]}"
        seen = (statement.first_ns, statement.seen_ns)
        found = _totals(query_id, statement.text, row, whole_ms, *seen, is_workload=statement.is_workload)
        by_id[query_id] = _added(by_id.get(query_id), found)
    return list(by_id.values()), rest


def page_of(
    server: str,
    window: Window,
    totals: Sequence[QueryTotals],
    rest: QueryTotals | None,
    *,
    sort: str,
    limit: int,
    offset: int,
    search: str,
    is_workload: bool | None,
) -> QueryPage:
    """Return a page of queries, the most by `sort` first."""
    words = search.lower().split()
    wanted = [
        each
        for each in totals
        if is_workload in (None, each.is_workload)
        and all(word in each.text.lower() or word in each.query_id.lower() for word in words)
    ]

    def key(each: QueryTotals) -> tuple[float, str]:
        value = getattr(each, sort)
        return (float("inf") if value is None else -float(value), each.query_id)

    page = sorted(wanted, key=key)[offset : offset + limit]
    return QueryPage(server, window, SOURCE, sort, len(wanted), offset, page, rest)


def life_series(
    query_id: str, statements: Sequence[KnownStatement], slots: Sequence[Slot], window: Window, busy: Sequence[Sample]
) -> tuple[QueryTotals, Mapping[str, Series]]:
    """Return what one query did, in all and over time. `busy` are the server's samples: they tell the whole's time."""
    numbers = np.array([each.number for each in statements], dtype=np.int64)
    by_start: dict[int, tuple[float, np.ndarray]] = {}
    for slot in sorted(slots, key=lambda slot: slot.start_ns):
        row = slot.counts[np.isin(slot.numbers, numbers)].sum(axis=0)
        _, before = by_start.get(slot.start_ns, (0.0, np.zeros(6)))
        by_start[slot.start_ns] = (slot.seconds, before + row)
    counts = sum((row for _, row in by_start.values()), np.zeros(6))
    whole_ms = sum(sample.sums.get(("statement", "total_ms"), 0.0) for sample in busy)
    first = min((each.first_ns for each in statements), default=0)
    seen = max((each.seen_ns for each in statements), default=0)
    text = next((each.text for each in statements if each.text), "")
    is_workload = not statements or any(each.is_workload for each in statements)
    totals = _totals(query_id, text, counts, whole_ms, first, seen, is_workload=is_workload)

    def series(name: str, unit: str, value: Callable[[float, list[float]], float | None]) -> Series:
        points = tuple(Point(at, seconds, value(seconds, row.tolist())) for at, (seconds, row) in by_start.items())
        return Series(name, unit, SOURCE, window, points)

    return totals, {
        "calls_per_second": series("calls_per_second", "1/s", lambda s, row: row[CALLS] / s if s else None),
        "mean_ms": series("mean_ms", "ms", lambda _, row: _over(row, TOTAL_MS)),
        "rows_per_call": series("rows_per_call", "", lambda _, row: _over(row, ROWS)),
        "blocks_per_call": series("blocks_per_call", "", lambda _, row: _over(row, BLOCKS)),
        "busy_sessions": series("busy_sessions", "", lambda s, row: row[TOTAL_MS] / 1000 / s if s else None),
    }


def ran_by_id(slots: Iterable[Slot], names: Mapping[int, str]) -> Mapping[str, Sequence[Ran]]:
    """Return what the statements of these numbers did, stretch by stretch, by their queries' ids."""
    found: dict[str, list[Ran]] = {}
    wanted = np.array(sorted(names), dtype=np.int64)
    for slot in slots:
        end_ns = slot.start_ns + LENGTH_NS.get(slot.tier, int(slot.seconds * SECOND_NS))
        is_wanted = np.isin(slot.numbers, wanted)
        for number, row in zip(slot.numbers[is_wanted].tolist(), slot.counts[is_wanted].tolist(), strict=True):
            found.setdefault(names[number], []).append(Ran(slot.start_ns, end_ns, row[CALLS], row[TOTAL_MS]))
    return found


def latency_of(chunks: Sequence[bytes], query_id: str, window: Window) -> Latency:
    """Return the quantiles of a query's single executions in a window."""
    durations: list[np.ndarray] = []
    executions = errors = 0
    for found, of in _of_query(chunks, query_id, window):
        executions += int(of.sum())
        errors += int(found.is_error[of].sum())
        durations.append(found.duration_ms[of & (found.duration_ms >= 0)])
    all_ms = np.concatenate(durations) if durations else np.zeros(0)
    if not len(all_ms):
        return Latency(executions, errors, None, None, None, None, LOG_SOURCE, window)
    p50, p95, p99 = (float(value) for value in np.quantile(all_ms, (0.5, 0.95, 0.99), method="inverted_cdf"))
    return Latency(executions, errors, p50, p95, p99, float(all_ms.max()), LOG_SOURCE, window)


def plans_of(chunks: Sequence[bytes], query_id: str, window: Window) -> Sequence[PlanSeen]:
    """Return the plans of a query that the log told, in the order in which they came."""
    seen: dict[str, tuple[int, int, int, float, int]] = {}
    for found, of in _of_query(chunks, query_id, window):
        for number in np.unique(found.shape[of]).tolist():
            shape = found.shapes[number]
            if not shape:
                continue
            these = of & (found.shape == number)
            timed = found.duration_ms[these & (found.duration_ms >= 0)]
            times = found.time_ns[these]
            first, last, count, total, of_time = seen.get(shape, (int(times[0]), 0, 0, 0.0, 0))
            seen[shape] = (
                min(first, int(times[0])), max(last, int(times[-1])), count + int(these.sum()),
                total + float(timed.sum(dtype=float)), of_time + len(timed),
            )  # fmt: skip
    plans = [
        PlanSeen(shape, first, last, count, total / of_time if of_time else None)
        for shape, (first, last, count, total, of_time) in seen.items()
    ]
    return sorted(plans, key=lambda plan: plan.first_ns)


def _of_query(chunks: Sequence[bytes], query_id: str, window: Window) -> Iterable[tuple[Executions, np.ndarray]]:
    for chunk in chunks:
        found = unpack_executions(chunk)
        if query_id in found.names:
            inside = (found.time_ns >= window.begin_ns) & (found.time_ns < window.end_ns)
            yield found, inside & (found.name == list(found.names).index(query_id))


def _sums(slots: Sequence[Slot]) -> tuple[np.ndarray, np.ndarray]:
    if not any(len(slot.numbers) for slot in slots):
        return np.zeros(0, dtype=np.int64), np.zeros((0, 6))
    of = np.concatenate([slot.numbers for slot in slots])
    rows = np.concatenate([slot.counts for slot in slots])
    # A store's numbers are dense: to count by them is quicker than to sort them.
    numbers = np.flatnonzero(np.bincount(of))
    counts = np.column_stack([np.bincount(of, weights=rows[:, column])[numbers] for column in range(6)])
    return numbers, counts


def _totals(
    query_id: str,
    text: str,
    counts: np.ndarray,
    whole_ms: float,
    first_ns: int,
    seen_ns: int,
    *,
    is_workload: bool = True,
) -> QueryTotals:
    row = counts.tolist()
    calls, total = row[CALLS], row[TOTAL_MS]
    return QueryTotals(
        query_id=query_id,
        text=text,
        is_workload=is_workload,
        calls=calls,
        total_ms=total,
        mean_ms=total / calls if calls else None,
        deviation_ms=_deviation(calls, total, row[SQUARES]),
        rows=row[ROWS],
        blocks=row[BLOCKS],
        temporary_blocks=row[TEMPORARY_BLOCKS],
        share=total / whole_ms if whole_ms else 0.0,
        first_ns=first_ns,
        seen_ns=seen_ns,
    )


def _deviation(calls: float, total: float, squares: float) -> float | None:
    return float(np.sqrt(max(squares / calls - (total / calls) ** 2, 0.0))) if calls else None


def _added(before: QueryTotals | None, more: QueryTotals) -> QueryTotals:
    if before is None:
        return more
    squares = sum(
        (each.deviation_ms or 0.0) ** 2 * each.calls + (each.mean_ms or 0.0) ** 2 * each.calls
        for each in (before, more)
    )
    calls, total = before.calls + more.calls, before.total_ms + more.total_ms
    return QueryTotals(
        query_id=before.query_id,
        text=before.text or more.text,
        is_workload=before.is_workload or more.is_workload,
        calls=calls,
        total_ms=total,
        mean_ms=total / calls if calls else None,
        deviation_ms=_deviation(calls, total, squares),
        rows=before.rows + more.rows,
        blocks=before.blocks + more.blocks,
        temporary_blocks=before.temporary_blocks + more.temporary_blocks,
        share=before.share + more.share,
        first_ns=min(before.first_ns, more.first_ns),
        seen_ns=max(before.seen_ns, more.seen_ns),
    )


def _over(row: list[float], column: int) -> float | None:
    return row[column] / row[CALLS] if row[CALLS] else None
