"""Claims about what made queries slower: the host before the load, the load before growth, growth before a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.anchor.anchors import anchor, counted, level
from trimtab.lifecycle.slowing import Slowed, Slowing, slowing
from trimtab.model.anchor import AnchoredPlan, HostProbe, QueryLevel, State, TableState
from trimtab.model.flip import CauseKind

PLAN = AnchoredPlan(("Seq Scan on public.orders",), (("public", "orders"),), ())


def _level(query_id: str, *, mean_ms: float, blocks: float = 40.0, shape: str = "shape") -> QueryLevel:
    found = replace(counted(mean_ms=mean_ms, deviation_ms=0.1 * mean_ms), blocks=blocks)
    return replace(level(query_id, count=found, shape=shape), plan=PLAN, generic_plan=PLAN)


def _state(processor_ms: float = 3.0, rows: float = 1000.0, pages: int = 10) -> State:
    return State(tables={"public.orders": TableState("d", "s", rows, pages)}, host=HostProbe(processor_ms, 9.0))


def _slowing(
    *, others: float = 1.0, own: float = 3.0, blocks: float = 40.0, shape: str = "shape", state: State | None = None
) -> Slowing:
    """Six busy queries, and `q`, which takes `own` times as long."""
    was = [*(_level(f"b{n}", mean_ms=2.0 + n) for n in range(6)), _level("q", mean_ms=2.0)]
    now = [
        *(_level(f"b{n}", mean_ms=(2.0 + n) * others) for n in range(6)),
        _level("q", mean_ms=2.0 * own, blocks=blocks, shape=shape),
    ]
    later = anchor(*now, time_ns=2 * 10**18, state=state or _state())
    return slowing(anchor(*was, state=_state()), replace(later, since="2026-11-02T00:00:00Z"))


def _of(found: Slowing) -> Slowed:
    return next(slowed for slowed in found.slowed if slowed.query_id == "q")


@pytest.mark.parametrize(
    ("asked", "kind", "told"),
    [
        ({}, None, "neither the host"),
        ({"state": _state(9.0), "others": 3.0, "blocks": 400.0}, CauseKind.HOST, "host: the same work"),
        ({"others": 3.0, "blocks": 400.0}, CauseKind.LOAD, "load: 6 other queries"),
        (
            {"blocks": 400.0, "state": _state(rows=9000)},
            CauseKind.DATA_GROWTH,
            "orders: 1000 then, 9000 now",
        ),
        ({"blocks": 400.0}, None, "blocks per call: 40 then, 400 now"),
        ({"blocks": 400.0, "state": _state(pages=90)}, CauseKind.BLOAT, "pages of public.orders: 10 then, 90 now"),
        ({"shape": "another", "blocks": 400.0}, CauseKind.PLAN, "plan: shape then, another now"),
        ({"shape": "another", "others": 3.0}, CauseKind.LOAD, "plan: shape then, another now"),
    ],
)
def test_the_first_cause_that_explains_it_is_named_with_the_figures(
    asked: dict[str, object], kind: CauseKind | None, told: str
) -> None:
    found = _of(_slowing(**asked))  # type: ignore[arg-type]
    assert found.kind is kind
    assert any(told in line for line in (*found.proof, found.reason)), found.proof
    assert found.ratio == pytest.approx(3.0)
    assert 2.0 < found.at_least < 3.0
    assert {line.split(":")[0] for line in found.proof} >= {"host", "load", "blocks per call", "plan"}


def test_what_is_not_slower_is_not_told_and_what_ran_too_seldom_is_counted() -> None:
    found = _slowing(own=1.02)
    assert (found.slowed, found.judged, found.unjudged) == ((), 7, 0)
    assert found.common == pytest.approx(1.0)
    rare = slowing(anchor(level("q", count=counted(5))), anchor(level("q", count=counted(5, 90.0)), time_ns=2 * 10**18))
    assert (rare.slowed, rare.judged, rare.unjudged) == ((), 0, 1)
