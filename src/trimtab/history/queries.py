"""Makes totals, pages and series of queries from what ran, and latencies and plans from single executions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.history.executions import Executions, unpack_executions
from trimtab.history.known import KnownStatement, Label
from trimtab.history.sample import Sample
from trimtab.history.slots import COLUMNS, Slot
from trimtab.history.tiers import LENGTH_NS, SECOND_NS
from trimtab.history.values import Latency, PlanSeen, Point, QueryPage, QueryTotals, Ran, Series, Window
from trimtab.model.watched import BLOCKS, CALLS, ROWS, SQUARES, TEMPORARY_BLOCKS, TOTAL_MS

SOURCE = "pg_stat_statements"
LOG_SOURCE = "the server's log"
REST = "rest"
"""The id of all queries that are not kept one by one."""


def page_of(
    server: str,
    window: Window,
    slots: Sequence[Slot],
    labels: Callable[[Iterable[int]], Mapping[int, Label]],
    known: Callable[[Iterable[int]], Mapping[int, KnownStatement]],
    *,
    sort: str,
    limit: int,
    offset: int,
    search: str,
    is_workload: bool | None,
) -> QueryPage:
    """Return a page of the queries that ran, the most by `sort` first. Statements of one id are one query.

    `labels` says in short who statements are, for all that ran; `known` all of them, for a page, or where words are
    searched in their texts.
    """
    queries = _Queries.of_slots(slots, labels)
    wanted = np.arange(len(queries.names))
    if is_workload is not None:
        wanted = wanted[queries.is_workload == is_workload]
    words = search.lower().split()
    if words:
        texts = queries.texts(known(queries.numbers.tolist()))
        found = [f"{texts.get(place, '').lower()}\n{queries.names[place].lower()}" for place in wanted.tolist()]
        wanted = wanted[np.array([all(word in each for word in words) for each in found], dtype=bool)]
    order = queries.order(sort)
    places = sorted(wanted.tolist(), key=lambda place: (-order[place], queries.names[place]))[offset : offset + limit]
    page = queries.totals(places, known)
    rest = None if queries.rest is None else _totals(REST, "", queries.rest, queries.whole_ms, 0, 0)
    other_ms = float(queries.counts[~queries.is_workload, TOTAL_MS].sum())
    return QueryPage(server, window, SOURCE, sort, len(wanted), offset, page, rest, other_ms)


@dataclass(frozen=True, slots=True)
class _Queries:
    """What ran, by queries: of each its name, its counts, whether it is the workload's, and when it was seen first.

    `numbers` are the statements' and `of` the place of the query that each belongs to. `rest` is what is not kept one
    by one, and `whole_ms` the workload's time.
    """

    names: Sequence[str]
    counts: np.ndarray
    is_workload: np.ndarray
    first_ns: np.ndarray
    numbers: np.ndarray
    of: np.ndarray
    rest: np.ndarray | None
    whole_ms: float

    @classmethod
    def of_slots(cls, slots: Sequence[Slot], labels: Callable[[Iterable[int]], Mapping[int, Label]]) -> _Queries:
        numbers, counts = _sums(slots)
        known = labels(numbers.tolist())
        found = [known.get(number) for number in numbers.tolist()]
        is_known = np.array([label is not None for label in found], dtype=bool)
        kept = [label for label in found if label is not None]
        names = {name: place for place, name in enumerate(dict.fromkeys(label.name for label in kept))}
        of = np.array([names[label.name] for label in kept], dtype=np.int64)
        is_workload = np.array([label.is_workload for label in kept], dtype=bool)
        first_ns = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(first_ns, of, np.array([label.first_ns for label in kept], dtype=np.int64))
        of_known, rest = counts[is_known], counts[~is_known]
        return cls(
            tuple(names),
            _added_up(of, of_known, len(names)),
            np.bincount(of[is_workload], minlength=len(names)) > 0,
            first_ns,
            numbers[is_known],
            of,
            rest.sum(axis=0) if len(rest) else None,
            float(of_known[is_workload, TOTAL_MS].sum() + rest[:, TOTAL_MS].sum()),
        )

    def texts(self, known: Mapping[int, KnownStatement]) -> Mapping[int, str]:
        """Return the text of each query that has a statement among those known, by its place."""
        found: dict[int, str] = {}
        for place, number in zip(self.of.tolist(), self.numbers.tolist(), strict=True):
            if number in known:
                found[place] = found.get(place) or known[number].text
        return found

    def order(self, sort: str) -> list[float]:
        """Return the value of each query by which pages are ordered; what did not run has the least."""
        calls, total, squares = (self.counts[:, column] for column in (CALLS, TOTAL_MS, SQUARES))
        if sort == "first_ns":
            return self.first_ns.tolist()  # type: ignore[no-any-return]
        if sort in ("mean_ms", "deviation_ms"):
            ran = np.maximum(calls, np.finfo(float).tiny)
            mean = total / ran
            value = mean if sort == "mean_ms" else np.sqrt(np.maximum(squares / ran - mean**2, 0.0))
            return np.where(calls > 0, value, -np.inf).tolist()  # type: ignore[no-any-return]
        column = {
            "total_ms": TOTAL_MS, "calls": CALLS, "rows": ROWS, "blocks": BLOCKS, "temporary_blocks": TEMPORARY_BLOCKS
        }[sort]  # fmt: skip
        return self.counts[:, column].tolist()  # type: ignore[no-any-return]

    def totals(
        self, places: Sequence[int], known: Callable[[Iterable[int]], Mapping[int, KnownStatement]]
    ) -> list[QueryTotals]:
        """Return the queries at these places, in this order."""
        is_wanted = np.isin(self.of, np.array(places, dtype=np.int64))
        statements = known(self.numbers[is_wanted].tolist())
        texts = self.texts(statements)
        seen: dict[int, int] = {}
        for place, number in zip(self.of[is_wanted].tolist(), self.numbers[is_wanted].tolist(), strict=True):
            if number in statements:
                seen[place] = max(seen.get(place, 0), statements[number].seen_ns)
        return [
            _totals(
                self.names[place], texts.get(place, ""), self.counts[place], self.whole_ms,
                int(self.first_ns[place]), seen.get(place, 0), is_workload=bool(self.is_workload[place]),
            )
            for place in places
        ]  # fmt: skip


def life_series(
    query_id: str, statements: Sequence[KnownStatement], slots: Sequence[Slot], window: Window, busy: Sequence[Sample]
) -> tuple[QueryTotals, Mapping[str, Series]]:
    """Return what one query did, in all and over time. `busy` are the server's samples: they tell the whole's time."""
    numbers = np.array([each.number for each in statements], dtype=np.int64)
    by_start: dict[int, tuple[float, np.ndarray]] = {}
    ordered = sorted(slots, key=lambda slot: slot.start_ns)
    for slot, row in zip(ordered, _sums_of(ordered, numbers), strict=True):
        _, before = by_start.get(slot.start_ns, (0.0, np.zeros(COLUMNS)))
        by_start[slot.start_ns] = (slot.seconds, before + row)
    counts = sum((row for _, row in by_start.values()), np.zeros(COLUMNS))
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
        return np.zeros(0, dtype=np.int64), np.zeros((0, COLUMNS))
    of = np.concatenate([slot.numbers for slot in slots])
    rows = np.concatenate([slot.counts for slot in slots])
    # A store's numbers are dense: to count by them is quicker than to sort them.
    numbers = np.flatnonzero(np.bincount(of))
    return numbers, _added_up(of, rows, int(numbers[-1]) + 1)[numbers]


def _sums_of(slots: Sequence[Slot], numbers: np.ndarray) -> np.ndarray:
    """Return what the statements of these numbers did in each slot, a row a slot."""
    if not slots:
        return np.zeros((0, COLUMNS))
    is_meant = np.isin(np.concatenate([slot.numbers for slot in slots]), numbers)
    of = np.repeat(np.arange(len(slots)), [len(slot.numbers) for slot in slots])[is_meant]
    return _added_up(of, np.concatenate([slot.counts for slot in slots])[is_meant], len(slots))


def _added_up(of: np.ndarray, rows: np.ndarray, places: int) -> np.ndarray:
    """Return the sums of the rows of each place."""
    sums = [np.bincount(of, weights=rows[:, column], minlength=places) for column in range(COLUMNS)]
    return np.column_stack(sums) if places else np.zeros((0, COLUMNS))


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


def _over(row: list[float], column: int) -> float | None:
    return row[column] / row[CALLS] if row[CALLS] else None
