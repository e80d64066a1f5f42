"""Claims about the judge: what counts as a loss, and at whose door it is laid."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.anchor import QueryLevel
from trimtab.model.applied import Applied
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.latency import Latency
from trimtab.model.report import Life
from trimtab.model.strategy import Decision, QueryTrial, Strategy, Trial
from trimtab.settle.judge import Regression, kept_told, regressions, to_revert, unused

milliseconds = st.floats(min_value=0.0, max_value=1e7, allow_nan=False)
ids = st.sampled_from([f"q{number}" for number in range(6)])


def _level(query_id: str, p50_ms: float, runs: int = 3) -> QueryLevel:
    return QueryLevel(query_id, 1.0, runs, p50_ms, p50_ms, p50_ms, "shape")


levels = st.dictionaries(ids, st.tuples(milliseconds, st.integers(0, 3))).map(
    lambda found: {query_id: _level(query_id, p50_ms, runs) for query_id, (p50_ms, runs) in found.items()}
)


@given(levels, levels, st.floats(0, 100), st.floats(0, 100))
def test_only_a_loss_beyond_margin_and_floor_counts_and_not_to_run_any_more_is_one(
    before: dict[str, QueryLevel], after: dict[str, QueryLevel], percent: float, floor_ms: float
) -> None:
    lost = regressions(before, after, max_slowdown_percent=percent, floor_ms=floor_ms)
    found = {regression.query_id for regression in lost}
    for query_id in before.keys() | after.keys():
        earlier, later = before.get(query_id), after.get(query_id)
        if earlier is None or earlier.runs == 0:
            assert query_id not in found
            continue
        if later is None or later.runs == 0:
            assert query_id in found
            continue
        loss = later.p50_ms - earlier.p50_ms
        assert (query_id in found) == (loss > floor_ms and loss > earlier.p50_ms * percent / 100)


@given(levels, levels)
def test_the_heaviest_loss_comes_first(before: dict[str, QueryLevel], after: dict[str, QueryLevel]) -> None:
    losses = [r.loss_ms for r in regressions(before, after, max_slowdown_percent=0, floor_ms=0)]
    assert losses == sorted(losses, reverse=True)


@given(levels, st.floats(0, 100), st.floats(0, 100))
def test_what_stayed_as_it_was_has_lost_nothing(level: dict[str, QueryLevel], percent: float, floor_ms: float) -> None:
    assert regressions(level, level, max_slowdown_percent=percent, floor_ms=floor_ms) == []


@given(levels, levels, st.floats(0, 50), st.floats(0, 50))
def test_a_wider_margin_never_finds_more(
    before: dict[str, QueryLevel], after: dict[str, QueryLevel], percent: float, floor_ms: float
) -> None:
    strict = regressions(before, after, max_slowdown_percent=percent, floor_ms=floor_ms)
    lenient = regressions(before, after, max_slowdown_percent=percent + 5, floor_ms=floor_ms + 5)
    assert {r.query_id for r in lenient} <= {r.query_id for r in strict}


def test_what_is_not_known_to_hold_is_a_loss_and_says_why() -> None:
    before = {query_id: _level(query_id, 5.0) for query_id in ("gone", "unrun", "late", "late both times")}
    late = Latency.of([60_000.0], errors=1, random=Random(1))
    before["late both times"] = replace(_level("late both times", 60_000.0, 1), latency=late)
    after = {
        "unrun": _level("unrun", 0.0, 0),
        "late": replace(_level("late", 60_000.0, 1), latency=late),
        "late both times": before["late both times"],
    }
    lost = regressions(before, after, max_slowdown_percent=1e9, floor_ms=1e9, unmeasured=["never"])
    assert {one.query_id: one.reason for one in lost} == {
        "gone": "gone could not be run on the source after, and took 5.0 ms before",
        "unrun": "unrun could not be run on the source after, and took 5.0 ms before",
        "late": "late reached its time limit on the source after, 5.0 ms before",
        "never": "never was not measured on the source: settle.max_seconds were used up",
    }


def _life(name: str, altered: dict[str, bool], *, is_applied: bool = True, is_tried: bool = True) -> Life:
    change = CreateIndex("public", "t", name, "USING btree (a)", ("a",))
    strategy = Strategy((change,), "test", name, "reason", tuple(altered))
    queries = tuple(QueryTrial(query_id, 1.0, 1.0, 5, changed, "same") for query_id, changed in altered.items())
    trial = Trial(1.0, 0.5, 5, 0.01, 0.1, 200.0, Decision.ACCEPTED, "", queries)
    inverse = DropIndex("public", "t", name, "USING btree (a)", ("a",))
    applied = (Applied(name, strategy.id, change, inverse, 0.1),) if is_applied else ()
    return Life(strategy, trial=trial if is_tried else None, applied=applied)


LOST = [Regression("q1", 10.0, 90.0), Regression("q2", 10.0, 20.0)]


def test_a_loss_is_laid_at_the_door_of_every_strategy_that_touches_the_query_and_of_no_other() -> None:
    guilty, accomplice = _life("guilty", {"q1": True}), _life("accomplice", {"q0": True, "q1": True})
    bystander, same_plan = _life("bystander", {"q0": True}), _life("more memory, same plan", {"q1": False})
    found = to_revert([guilty, accomplice, bystander, same_plan], LOST)
    assert set(found) == {guilty.strategy.id, accomplice.strategy.id, same_plan.strategy.id}


def test_what_was_not_applied_or_not_tried_has_nothing_to_answer_for() -> None:
    lives = [_life("refused", {"q1": True}, is_applied=False), _life("untried", {"q1": True}, is_tried=False)]
    assert to_revert(lives, LOST) == {}


def test_what_was_applied_later_and_rests_on_what_is_taken_back_goes_with_it() -> None:
    guilty, bystander = _life("guilty", {"q1": True}), _life("bystander", {"q0": True})
    drop = DropIndex("public", "t", "narrow", "USING btree (a)", ("a",))
    strategy = Strategy((drop,), "test", "drop", "reason", ())
    applied = Applied("drop", strategy.id, drop, CreateIndex("public", "t", "narrow", "USING btree (a)", ("a",)), 0.1)
    resting = Life(strategy, applied=(applied,))
    assert set(to_revert([bystander, resting, guilty], LOST)) == {guilty.strategy.id}
    found = to_revert([bystander, guilty, resting], LOST)
    assert set(found) == {guilty.strategy.id, strategy.id}
    assert guilty.strategy.id in found[strategy.id]


def test_the_reason_names_the_query_that_lost_most() -> None:
    life = _life("guilty", {"q2": True, "q1": True})
    assert to_revert([life], LOST)[life.strategy.id].startswith("q1 took 90.0 ms")


@given(st.lists(st.dictionaries(ids, st.booleans()), max_size=4), st.lists(ids, unique=True))
def test_nothing_is_taken_back_without_a_loss_and_nothing_but_what_was_applied(
    altered: list[dict[str, bool]], lost_ids: list[str]
) -> None:
    lives = [_life(f"i{number}", queries) for number, queries in enumerate(altered)]
    found = to_revert(lives, [Regression(query_id, 1.0, 9.0) for query_id in lost_ids])
    assert found.keys() <= {life.strategy.id for life in lives}
    assert to_revert(lives, []) == {}


def test_what_is_kept_says_whether_anything_on_the_source_was_measured_or_counted() -> None:
    life = _life("kept", {"q0": True, "q1": False})
    by_plans = "stands by its plans alone: nothing that it touches was measured on the source, nor counted there"
    assert kept_told(life, _shapes(q0="index", q1="scan"), (), ()) == by_plans
    assert kept_told(life, {"q9": _level("q9", 1.0)}, {"q9"}, ()) == by_plans
    for after, judged, touched in (
        ({"q1": _level("q1", 1.0)}, set(), set()),
        ({}, {"q0"}, set()),
        ({}, {"w0"}, {"w0"}),
    ):
        assert kept_told(life, after, judged, touched) == "holds on the source"
    assert kept_told(_life("idle", {}), {}, {"q0"}, ()) == "no query of the workload is touched by it"


def _shapes(**shapes: str) -> dict[str, QueryLevel]:
    return {query_id: QueryLevel(query_id, 1.0, 0, 0.0, 0.0, 0.0, shape) for query_id, shape in shapes.items()}


def test_an_index_for_which_the_source_changes_no_plan_is_taken_back() -> None:
    life = _life("idle", {"q0": True, "q1": True, "q2": False})
    before = _shapes(q0="scan", q1="scan", q2="scan")
    assert set(unused([life], before, before)) == {life.strategy.id}
    # The plan of q2 is not where its gain comes from.
    assert set(unused([life], before, _shapes(q0="scan", q1="scan", q2="index"))) == {life.strategy.id}
    assert unused([life], before, _shapes(q0="scan", q1="index", q2="scan")) == {}
    [reason] = to_revert([life], [], unused([life], before, before)).values()
    assert reason.startswith("the source plans every query as before")


def test_an_index_whose_queries_cannot_be_planned_any_more_is_taken_back() -> None:
    [reason] = unused([_life("orphan", {"q5": True})], _shapes(q0="scan"), _shapes(q0="scan")).values()
    assert reason == "none of the queries that it is for can be planned on the source now"


def test_where_the_gain_is_no_plan_nothing_is_said() -> None:
    before = _shapes(q0="scan")
    for life in (
        _life("maintained", {"q0": False}),
        _life("untried", {"q0": True}, is_tried=False),
        _life("refused", {"q0": True}, is_applied=False),
    ):
        assert unused([life], before, before) == {}
    drop = DropIndex("public", "t", "narrow", "USING btree (a)", ("a",))
    dropped = _life("other", {"q0": True})
    strategy = Strategy((drop,), "test", "drop", "reason", ())
    assert unused([Life(strategy, trial=dropped.trial, applied=dropped.applied)], before, before) == {}
