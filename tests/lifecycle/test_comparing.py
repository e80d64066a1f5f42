"""Claims about comparing two anchors: what got slower is named, with a bounded error; what cannot be told says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tests.anchor.anchors import anchor, counted, level
from trimtab.lifecycle.comparing import compare
from trimtab.model.anchor import Anchor, Counted, HostProbe, QueryLevel, State, TableState
from trimtab.model.comparison import (
    Comparison,
    DimensionComparison,
    Finding,
    Judgement,
    Level,
    PlannedFor,
    QueryComparison,
)
from trimtab.model.latency import Latency


def _compared(was: list[QueryLevel], now: list[QueryLevel]) -> Comparison:
    return compare(anchor(*was), anchor(*now, time_ns=2 * 10**18), error_rate=0.01, margin=0.1)


def _of(found: Comparison, query_id: str) -> QueryComparison:
    return next(query for query in found.queries if query.query_id == query_id)


def _dimension(found: Comparison, name: str) -> DimensionComparison:
    return next(dimension for dimension in found.dimensions if dimension.name == name)


def _times(count: int, factor: float = 1.0, seed: int = 1) -> list[float]:
    random = Random(seed)
    return [factor * random.lognormvariate(1.0, 0.5) for _ in range(count)]


BUSY = [level(f"b{n}", count=counted(mean_ms=2.0 + n)) for n in range(6)]


def test_an_anchor_beside_itself_is_the_same() -> None:
    found = _compared([*BUSY, level("q", _times(700))], [*BUSY, level("q", _times(700, seed=2))])
    assert found.finding is Finding.SAME
    assert {query.judgement for query in found.queries} == {Judgement.SAME}
    assert found.common == pytest.approx(1.0)
    assert all(d.is_within for d in found.dimensions if d.earlier is not None and d.later is not None)


@pytest.mark.parametrize(("factor", "judgement"), [(2.0, Judgement.SLOWER), (0.4, Judgement.FASTER)])
def test_executions_that_take_longer_or_shorter_are_proven_by_t1(factor: float, judgement: Judgement) -> None:
    found = _compared([level("q", _times(300))], [level("q", _times(300, factor, 2))])
    query = _of(found, "q")
    assert (query.judgement, query.method) == (judgement, "executions")
    assert found.finding is (Finding.WORSE if judgement is Judgement.SLOWER else Finding.BETTER)


def test_means_are_compared_where_executions_are_too_few_and_the_bound_is_told() -> None:
    slow = level("q", [1.0, 1.1], count=counted(mean_ms=3.0))
    found = _compared([*BUSY, level("q", [1.0], count=counted(mean_ms=2.0))], [*BUSY, slow])
    query = _of(found, "q")
    assert (query.judgement, query.method, query.ratio) == (Judgement.SLOWER, "means", 1.5)
    assert 1.1 < query.at_least < 1.5


def test_what_all_have_in_common_is_taken_out_and_told() -> None:
    loaded = [replace(b, counted=replace(b.counted, mean_ms=b.counted.mean_ms * 1.6)) for b in BUSY if b.counted]
    found = _compared(
        [*BUSY, level("q", count=counted(mean_ms=2.0))], [*loaded, level("q", count=counted(mean_ms=3.2))]
    )
    assert found.common == pytest.approx(1.6)
    assert found.finding is Finding.SAME


def test_a_query_whose_plan_changed_is_no_companion_and_is_named() -> None:
    found = _compared(
        [*BUSY, level("q", count=counted(mean_ms=2.0))],
        [*BUSY, level("q", count=counted(mean_ms=20.0), shape="other")],
    )
    assert _of(found, "q").same_plan is False
    assert _of(found, "q").judgement is Judgement.SLOWER
    coherence = _dimension(found, "quantum_coherence")
    assert coherence.earlier == 1.0, "both are shares of the same queries' time"
    assert coherence.later == pytest.approx(6 / 7, abs=1e-5)
    assert coherence.judgement is Level.LOWER


def test_too_few_executions_are_never_a_silent_pass() -> None:
    found = _compared([level("q", count=counted(calls=5))], [level("q", count=counted(calls=5, mean_ms=50.0))])
    assert found.finding is Finding.UNKNOWN
    assert "fewer than 20" in _of(found, "q").note
    found = _compared([level("q", [1.0])], [level("q", [50.0])])
    assert _of(found, "q").judgement is Judgement.UNJUDGED


def test_failures_count_as_the_slowest_of_all() -> None:
    times = _times(300)
    failing = replace(level("q", times), latency=Latency.of(times, errors=120, random=Random(1)))
    found = _compared([level("q", _times(300, seed=2))], [failing])
    assert _of(found, "q").judgement is Judgement.SLOWER


def test_a_verdict_without_evidence_tells_the_smallest_effect_that_it_could_have_seen() -> None:
    effects = []
    for calls in (30, 300, 30_000):
        found = _compared([level("q", count=counted(calls))], [level("q", count=counted(calls))])
        effects.append(_of(found, "q").smallest_effect or 0.0)
    assert effects[0] > effects[1] > effects[2] > 1.1
    assert (_of(_compared([level("q", _times(700))], [level("q", _times(50, seed=3))]), "q").smallest_effect or 0) > 1.1


def test_over_many_unchanged_queries_none_is_called_slower_or_faster() -> None:
    alarms = 0
    for seed in range(20):
        random = Random(seed)

        def drawn(random: Random = random) -> list[QueryLevel]:
            return [
                level(f"q{n}", count=counted(400, random.gauss(2.0, 0.5 / 20), deviation_ms=0.5)) for n in range(50)
            ]

        alarms += _compared(drawn(), drawn()).finding is not Finding.SAME
    assert alarms == 0


def test_what_else_differs_is_told_by_name_and_never_by_value() -> None:
    table = TableState("d", "s", 10.0, 100)
    earlier = replace(
        anchor(
            level("q", count=counted()),
            state=State({}, {"public.a": table, "public.b": table}, {}, "", HostProbe(3, 9)),
        ),
        settings={"work_mem": "4096"},
    )
    later = replace(
        anchor(
            level("p", count=counted()),
            state=State(
                {"role:app": {"search_path": "secret"}},
                {"public.a": TableState("d2", "s2", 10.0, 900), "public.c": table},
                {"hstore": "1.8"},
                "",
                HostProbe(6, 9),
            ),
            server=("other", "shop", 9),
        ),
        server_version=170002,
        settings={"work_mem": "secret"},
    )
    found = compare(earlier, later, error_rate=0.01, margin=0.1)
    assert found.differences == (
        "they are of different databases",
        "the server was PostgreSQL 18.6 and is 17.2",
        "the host's processor took 2.00 times as long for the same work",
        "setting work_mem differs",
        "setting search_path of role:app differs",
        "extension hstore differs",
        "table public.a is defined otherwise: a column, index, key or statistics object",
        "table public.a has 9.00 times the pages",
        "table public.a has other statistics",
        "table public.b is gone",
        "table public.c is new",
    )
    assert (found.only_earlier, found.only_later) == (("q",), ("p",))
    standby = compare(earlier, replace(earlier, is_standby=True), error_rate=0.01, margin=0.1)
    assert standby.differences == ("one of them is of a standby",)
    assert found.finding is Finding.UNKNOWN


def test_one_that_is_as_it_was_is_not_slower_because_the_others_got_faster_but_on_another_server_it_is() -> None:
    was = anchor(*_run(100, 1.0, seed=1), level("q", _times(100, 4.0, 1)))
    levels = [*_run(100, 0.4, seed=2), level("q", _times(100, 4.0, 2))]
    for server, expected in ((was.server, Judgement.SAME), (("7002", "shop", 5), Judgement.SLOWER)):
        found = compare(was, anchor(*levels, time_ns=2 * 10**18, server=server), error_rate=0.01, margin=0.1)
        query = _of(found, "q")
        assert query.judgement is expected
        assert query.ratio == pytest.approx(1.0 if expected is Judgement.SAME else 2.5, rel=0.2)
    # The other way round: a load that slows the others makes none of them faster that is as it was.
    loaded = compare(was, anchor(*_run(100, 2.5, seed=2), levels[-1], time_ns=2 * 10**18), error_rate=0.01, margin=0.1)
    assert _of(loaded, "q").judgement is Judgement.SAME


def _more(was: Counted, calls: int, mean_ms: float) -> Counted:
    """The counters of `was` after so many more calls of that mean, each of which scatters by 0.5 ms."""
    whole = was.calls + calls
    mean = (was.calls * was.mean_ms + calls * mean_ms) / whole
    squares = was.calls * (was.deviation_ms**2 + was.mean_ms**2) + calls * (0.25 + mean_ms**2)
    return replace(was, calls=whole, mean_ms=mean, deviation_ms=(squares / whole - mean**2) ** 0.5)


def _continued(was: list[QueryLevel], now: list[QueryLevel]) -> Comparison:
    """Compare two anchors whose counters began at the same moment."""
    later = replace(anchor(*now, time_ns=2 * 10**18), until="2026-11-02T00:00:00Z")
    return compare(anchor(*was), later, error_rate=0.01, margin=0.1)


def test_of_counters_that_go_on_only_what_ran_since_is_compared() -> None:
    before = counted(calls=1500, mean_ms=2.0)
    busy = [replace(b, counted=_more(b.counted, 500, b.counted.mean_ms)) for b in BUSY if b.counted is not None]
    found = _continued([*BUSY, level("q", count=before)], [*busy, level("q", count=_more(before, 60, 6.0))])
    query = _of(found, "q")
    assert query.judgement is Judgement.SLOWER
    assert query.ratio == pytest.approx(3.0, rel=0.01)
    assert found.common == pytest.approx(1.0)
    [throughput] = [d for d in found.dimensions if d.name == "query_throughput"]
    assert throughput.later == pytest.approx((6 * 500 + 60) / (24 * 3600 - 600), rel=0.01)


@pytest.mark.parametrize("calls", [0, -400])
def test_what_did_not_run_since_or_was_forgotten_is_not_judged(calls: int) -> None:
    before = counted(calls=1500)
    now = replace(before, calls=before.calls + calls)
    found = _continued([level("q", count=before)], [level("q", count=now)])
    assert found.finding is Finding.UNKNOWN


@pytest.mark.parametrize(("evictions", "is_told"), [((3, 3), False), ((3, 4), True), ((None, 4), False)])
def test_counters_of_which_nobody_knows_which_were_forgotten_are_not_differenced(
    evictions: tuple[int | None, int], is_told: bool
) -> None:
    before = counted(calls=1500, mean_ms=2.0)
    first, second = (
        replace(anchor(level("q", count=c), time_ns=time_ns), until=until, evictions=evicted)
        for c, time_ns, until, evicted in (
            (before, 10**18, "2026-11-01T12:00:00Z", evictions[0]),
            (_more(before, 60, 6.0), 2 * 10**18, "2026-11-02T00:00:00Z", evictions[1]),
        )
    )
    found = compare(first, second, error_rate=0.01, margin=0.1)
    assert found.finding is (Finding.UNKNOWN if is_told else Finding.WORSE)
    assert any("had to forget statements" in told for told in found.differences) == is_told


def test_counters_of_which_nobody_knows_the_beginning_are_told() -> None:
    first, second = (replace(anchor(level("q", count=counted())), since=None, until=u) for u in ("a", "b"))
    found = compare(first, second, error_rate=0.01, margin=0.1)
    assert any("may hold the earlier ones" in told for told in found.differences)


def _run(count: int, factor: float, *, seed: int, queries: int = 12) -> list[QueryLevel]:
    return [level(f"r{n}", _times(count, (1 + n) * factor, seed * 100 + n)) for n in range(queries)]


def test_a_host_that_slows_all_executions_is_no_regression_of_any_and_one_that_is_slower_besides_is() -> None:
    was = [*_run(100, 1.0, seed=1), level("q", _times(100, 4.0, 1))]
    loaded = _compared(was, [*_run(100, 1.6, seed=2), level("q", _times(100, 4.0 * 1.6, 2))])
    assert loaded.common == pytest.approx(1.6, rel=0.1)
    assert {query.judgement for query in loaded.queries} == {Judgement.SAME}
    found = _compared(was, [*_run(100, 1.6, seed=2), level("q", _times(100, 4.0 * 1.6 * 4, 2))])
    assert [query.query_id for query in found.queries if query.judgement is Judgement.SLOWER] == ["q"]
    alone = _compared([level("q", _times(100))], [level("q", _times(100, 1.0, 2))])
    assert "was not taken out" in _of(alone, "q").note


def test_every_verdict_has_its_alpha_its_evidence_and_the_smallest_effect() -> None:
    was, now = [*_run(100, 1.0, seed=1), *BUSY], [*_run(100, 1.0, seed=2), *BUSY]
    found = _compared(was, now)
    assert sum(query.error_rate for query in found.queries) == pytest.approx(found.error_rate)
    for query in found.queries:
        assert query.error_rate > 0
        assert query.smallest_effect is not None
        if query.method == "executions":
            assert query.evidence is not None
            assert query.needed == pytest.approx(4 / query.error_rate, rel=1e-3)
            assert 0.99 in query.dropped, "a hundred executions are too few for it, and that is told"


def _in_window(levels: list[QueryLevel], seconds: float, time_ns: int = 10**18) -> Anchor:
    since, until = "2026-11-01T00:00:00+00:00", (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    return replace(anchor(*levels, time_ns=time_ns, seconds=seconds), since=since, until=until.isoformat())


def _moved(calls: float = 1.0, mean_ms: float = 1.0, blocks: float = 1.0) -> Comparison:
    was = [level(f"b{n}", count=counted(20_000, 40.0 + n, deviation_ms=10.0)) for n in range(6)]
    now = [
        replace(
            b,
            counted=replace(
                b.counted,
                calls=int(b.counted.calls * calls),
                mean_ms=b.counted.mean_ms * mean_ms,
                blocks=b.counted.blocks * blocks,
            ),
        )
        for b in was
        if b.counted is not None
    ]
    later = replace(_in_window(now, 600.0, 2 * 10**18), since="2026-11-01T00:00:01+00:00")
    return compare(_in_window(was, 600.0), later, error_rate=0.01, margin=0.1)


@pytest.mark.parametrize(
    ("moved", "shown"),
    [
        ({}, {}),
        ({"calls": 1.05, "mean_ms": 1.05, "blocks": 0.95}, {}),
        ({"calls": 1.5}, {"query_throughput": Level.HIGHER, "concurrency_performance": Level.LOWER}),
        ({"calls": 0.5}, {"query_throughput": Level.LOWER, "concurrency_performance": Level.HIGHER}),
        ({"mean_ms": 1.5}, {"response_latency": Level.HIGHER}),
        ({"blocks": 1.5}, {"resource_efficiency": Level.HIGHER}),
        ({"blocks": 0.5}, {"resource_efficiency": Level.LOWER}),
    ],
)
def test_each_dimension_has_a_level_a_band_and_a_test_of_its_own(
    moved: dict[str, float], shown: dict[str, Level]
) -> None:
    found = _moved(**moved)
    assert len(found.dimensions) == 5
    for dimension in found.dimensions:
        assert dimension.test
        assert dimension.error_rate == pytest.approx(0.01 / 5)
        assert dimension.judgement is shown.get(dimension.name, Level.SAME), dimension
        if dimension.name in shown:
            assert dimension.is_within is False
        if dimension.name != "quantum_coherence":
            assert dimension.smallest_effect is not None
            assert dimension.smallest_effect > 1.1


def test_blocks_scatter_as_was_seen_and_not_as_times_do_where_it_was_seen() -> None:
    def drawn(blocks: float, deviation: float | None, time_ns: int = 10**18) -> Anchor:
        one = replace(counted(20_000, 40.0, deviation_ms=1.0), blocks=blocks)
        one = replace(one, blocks_deviation=deviation, blocks_parts=0 if deviation is None else 12)
        return _in_window([level(f"b{n}", count=one) for n in range(6)], 600.0, time_ns)

    def of_blocks(deviation: float | None) -> DimensionComparison:
        later = replace(drawn(130.0, deviation, 2 * 10**18), since="2026-11-01T00:00:01+00:00")
        found = compare(drawn(100.0, deviation), later, error_rate=0.01, margin=0.1)
        return next(each for each in found.dimensions if each.name == "resource_efficiency")

    assumed, steady, wild = of_blocks(None), of_blocks(50.0), of_blocks(20_000.0)
    assert "those of 6 of 6 queries are taken to scatter as their times do" in assumed.test
    assert "taken to scatter" not in steady.test
    assert [each.judgement for each in (assumed, steady, wild)] == [Level.HIGHER, Level.HIGHER, Level.SAME]
    assert (wild.smallest_effect or 0.0) > (steady.smallest_effect or 0.0)


def test_over_many_unchanged_windows_no_dimension_is_called_another() -> None:
    called = 0
    for seed in range(60):
        random = Random(seed)

        def drawn(random: Random = random) -> list[QueryLevel]:
            return [
                level(f"q{n}", count=counted(round(random.gauss(400, 20)), random.gauss(2.0, 0.5 / 20)))
                for n in range(20)
            ]

        found = compare(
            _in_window(drawn(), 600.0),
            replace(_in_window(drawn(), 600.0, 2 * 10**18), since="2026-11-01T00:00:01+00:00"),
            error_rate=0.01,
            margin=0.1,
        )
        called += any(d.judgement in (Level.HIGHER, Level.LOWER) for d in found.dimensions)
    assert called == 0


def test_what_was_not_counted_is_no_dimension_that_is_the_same() -> None:
    found = _compared([level("q", _times(300))], [level("q", _times(300, 1.0, 2))])
    for dimension in found.dimensions:
        if dimension.name != "quantum_coherence":
            assert (dimension.judgement, dimension.is_within) == (Level.UNJUDGED, None)
            assert dimension.note


def test_why_the_share_that_holds_is_not_known_is_told() -> None:
    few = [level(f"q{n}", count=counted(calls=5)) for n in range(3)]
    [coherence] = [each for each in _compared(few, few).dimensions if each.name == "quantum_coherence"]
    assert (coherence.judgement, coherence.note) == (Level.UNJUDGED, "none of the queries of both could be judged")


def test_for_which_values_a_plan_was_made_is_told() -> None:
    drawn = replace(level("q", count=counted()), plan_shape="for 7")
    found = _of(_compared([*BUSY, level("q", count=counted())], [*BUSY, drawn]), "q")
    assert (found.same_plan, found.planned_for, found.is_own_plan_same) == (True, PlannedFor.ANY, False)
    own = replace(level("q", count=counted()), generic_shape="")
    found = _of(_compared([own], [own]), "q")
    assert (found.same_plan, found.planned_for, found.is_own_plan_same) == (True, PlannedFor.OWN, True)


def test_executions_slower_than_all_of_the_anchor_are_counted_as_breaches_with_a_bound() -> None:
    slowest = max(_times(300))
    found = _compared([level("q", _times(300))], [level("q", [*_times(297, 0.5, 2), *([slowest * 2] * 3)])])
    stable = _of(found, "q").stability
    assert stable is not None
    assert (stable.observed, stable.breaches, stable.unit) == (300, 3, "executions")
    assert stable.breaches_per_million == pytest.approx(10_000)
    assert stable.at_most_per_million > 20_000
    assert found.stability == stable
