"""Random pairs of specifications and random times: what the parent takes back, no child keeps."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.spec.documents import SECTIONS, documents, limits_of
from trimtab.anchor import record
from trimtab.anchor.record import Measuring, measure_levels
from trimtab.db.connection import Connection
from trimtab.db.failures import QueryTimeout
from trimtab.errors import SpecError, WorkloadError
from trimtab.model.anchor import QueryLevel
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.workload import Query, QueryKind
from trimtab.settle.judge import regressions
from trimtab.spec.document import parse
from trimtab.spec.inherit import effective
from trimtab.spec.limits import Limits, Settle
from trimtab.spec.reading import Document

PAIRS = 3_000
_NODE = PlanNode("Result", 1.0, 0.0, 1.0)
QUERIES = [Query(f"q{n}", "", f"SELECT {n}", "", 1.0, QueryKind.READ) for n in range(4)]


class Source:
    """A source on which each query takes its time, in ms of its own clock; None where it cannot be run."""

    closed = False

    def __init__(self, times: Mapping[str, float | None]) -> None:
        self.times = times
        self.now_ms = 0.0

    def explain(self, query: Query, how: Measuring, *, analyze: bool) -> Plan:
        if not analyze:
            return Plan(_NODE)
        took = self.times[query.id]
        if took is None:
            raise WorkloadError("no", code="query.failed", next_step="")
        self.now_ms += min(took, how.statement_timeout_ms)
        if took >= how.statement_timeout_ms:
            raise QueryTimeout("late", code="query.timeout", next_step="")
        return Plan(_NODE, execution_ms=took)


@contextmanager
def _no_transaction(*_: object) -> Iterator[None]:
    yield


def taken_back(
    settle: Settle, before: Source, after: Source, monkeypatch: pytest.MonkeyPatch
) -> tuple[set[str], Sequence[Mapping[str, QueryLevel]]]:
    how = Measuring(settle.runs, settle.statement_timeout_ms, settle.max_seconds, settle.measure == "reads")
    unmeasured: list[str] = []

    def level(source: Source) -> dict[str, QueryLevel]:
        def explain(_: Connection, query: Query, *, analyze: bool = False, **__: object) -> Plan:
            return source.explain(query, how, analyze=analyze)

        monkeypatch.setattr(record, "explain", explain)
        source.now_ms = 0.0
        told = unmeasured.append if source is before else lambda _: None
        connection: Connection = source  # type: ignore[assignment]
        return measure_levels(connection, QUERIES, how, clock=lambda: source.now_ms / 1000, unmeasured=told)

    levels = level(before), level(after)
    lost = regressions(
        *levels,
        max_slowdown_percent=settle.max_slowdown_percent,
        floor_ms=settle.slowdown_floor_ms,
        unmeasured=unmeasured,
    )
    return {one.query_id for one in lost}, levels


def _pools() -> list[dict[str, dict[str, object]]]:
    whole: list[dict[str, dict[str, object]]] = []

    @seed(1)
    @settings(max_examples=100, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.lists(documents, min_size=2, max_size=2))
    def draw(some: list[dict[str, dict[str, object]]]) -> None:
        whole.extend(some)

    draw()
    return whole


def _time(rng: random.Random) -> float | None:
    return rng.choice([None, rng.uniform(0, 10), rng.uniform(0, 1000), rng.uniform(0, 7000), rng.uniform(0, 70_000)])


def test_what_the_parent_takes_back_no_child_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("only_reading", "require_one_query", "why_not_read"):
        monkeypatch.setattr(record, name, _no_transaction if name == "only_reading" else lambda *_: None)
    whole = _pools()
    parents: list[Limits] = [limits_of(one) for one in whole]
    rng = random.Random(7)
    seen: Counter[str] = Counter()
    for _ in range(PAIRS):
        parent = rng.choice(parents)
        stated = {field: rng.choice(whole)["settle"][field] for field in rng.sample([*SECTIONS["settle"]], 2)}
        document = {
            "apiVersion": "trimtab.dev/v1",
            "kind": "OptimizationSpec",
            "metadata": {"id": "CHILD", "revision": 1, "description": ""},
            "spec": {"settle": stated},
        }
        try:
            child = effective(parse(Document("child", document, {})), (parent,))  # type: ignore[arg-type]
        except SpecError as error:
            seen[error.code] += 1
            continue
        times = {query.id: _time(rng) for query in QUERIES}
        before = Source(times)
        changes = (None, 1.0, 1.0, rng.uniform(0.2, 2), rng.uniform(1, 60))
        after = Source({id_: None if ms is None else _times(ms, rng.choice(changes)) for id_, ms in times.items()})
        by_parent, (levels, _) = taken_back(parent.settle, before, after, monkeypatch)
        by_child, _ = taken_back(child.settle, before, after, monkeypatch)
        assert by_parent <= by_child
        seen["taken back by both" if by_parent else "kept by the parent"] += 1
        seen.update(["more by the child"] if by_child > by_parent else [])
        seen.update(["not measured"] if any(level.runs == 0 for level in levels.values()) else [])
    # What Hypothesis draws depends on the modules that are loaded: that each kind is met is all that always holds.
    assert set(seen) == {"spec.widens", "taken back by both", "kept by the parent", "more by the child", "not measured"}


def _times(ms: float, factor: float | None) -> float | None:
    return None if factor is None else ms * factor
