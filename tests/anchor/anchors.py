"""Anchors for tests: values that say what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from trimtab.anchor.dimensions import dimensions
from trimtab.model.anchor import Anchor, Counted, HostProbe, Permanence, QueryLevel, State, TableState
from trimtab.model.latency import Latency

SERVER = ("7001", "shop", 5)


def counted(calls: int = 1000, mean_ms: float = 2.0, *, deviation_ms: float = 0.5, share: float = 0.1) -> Counted:
    return Counted(("-12345678901234567",), calls, mean_ms, deviation_ms, share, 3.0, 40.0, 0.0)


def level(
    query_id: str, times: Sequence[float] = (), *, count: Counted | None = None, shape: str = "shape"
) -> QueryLevel:
    latency = Latency.of(times, random=Random(1)) if times else None
    middle = sorted(times)[len(times) // 2] if times else 0.0
    return QueryLevel(
        query_id, 10.0, len(times), middle, middle, max(times, default=0.0), shape, shape, 8.5, latency, count
    )


def anchor(
    *levels: QueryLevel,
    time_ns: int = 10**18,
    permanence: Permanence = Permanence.PERFORMANCE_LIFETIME,
    change_ids: tuple[str, ...] = (),
    state: State | None = None,
    seconds: float | None = 600.0,
    server: tuple[str, str, int] = SERVER,
) -> Anchor:
    tables = {'public."weird" näme': TableState("d1", "s1", 1e6, 4000), "public.orders": TableState("d2", "", 5.0, 1)}
    return Anchor(
        id=f"a-{time_ns:x}",
        coordinate=(time_ns, "0/15A2B30", 1, "2026-11-01T00:00:00Z"),
        database="shop",
        server_version=180006,
        queries=levels or (level("q1", [1.0, 2.5, 2.0], count=counted()), level("q2", count=counted(share=0.4))),
        settings={"work_mem": "4096", "random_page_cost": "1.1"},
        change_ids=change_ids,
        permanence=permanence,
        server=server,
        tool="0.1.0",
        specification=("DATABASE_OPTIMIZATION_SPEC_V4", "ab" * 32),
        origin="pg_stat_statements",
        since="2026-11-01T00:00:00Z",
        until="2026-11-01T00:10:00Z",
        dimensions=dimensions(levels, seconds),
        state=state
        or State(
            {"role:app": {"work_mem": "64MB"}}, tables, {"plpgsql": "1.0"}, "PostgreSQL 18.6", HostProbe(3, 15, 0.1)
        ),
        problems=("a note",),
    )
