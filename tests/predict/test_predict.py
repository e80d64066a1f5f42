from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.change import Change, CreateIndex, CreateStatistics, SetSetting
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.strategy import Prediction, QueryTrial, Strategy
from trimtab.predict.calibration import Calibration, fit_calibration
from trimtab.predict.predict import predict, ratio_error

INDEX = CreateIndex("public", "t", "t_k", "USING btree (k)", ("k",))
STATISTICS = CreateStatistics("public", "t", "t_stat", ("a", "b"), ("mcv",))
RANDOM_PAGE_COST = SetSetting("database", "shop", "random_page_cost", "1.1")
WORK_MEM = SetSetting("database", "shop", "work_mem", "64MB")
EXACT = Calibration(0.0, 1.0, (0.0,) * 10, 10)


def strategy(*changes: Change, query_ids: tuple[str, ...] = ()) -> Strategy:
    return Strategy(changes, "test", "title", "reason", query_ids)


def plan(cost: float, node: str = "Seq Scan") -> Plan:
    return Plan(PlanNode(node, cost, 0.0, 1.0, "public", "t", "t"))


def test_nothing_changes_where_no_plan_changes() -> None:
    same = {"a": plan(100)}
    found = predict(strategy(INDEX), same, same, {"a": 50.0}, {"a": 2.0}, EXACT)
    assert (found.low, found.mid, found.high, found.before) == (100, 100, 100, 100)
    assert (found.method, found.improvement) == ("no_plan_change", 0.0)


def test_an_index_is_predicted_by_the_ratio_of_costs() -> None:
    before, after = {"a": plan(100), "b": plan(10)}, {"a": plan(10, "Index Scan"), "b": plan(10)}
    found = predict(strategy(INDEX), before, after, {"a": 50.0, "b": 7.0}, {"a": 2.0, "b": 1.0}, EXACT)
    assert found.method == "cost_ratio"
    assert found.before == pytest.approx(100.0)
    assert found.mid == pytest.approx(10.0)


def test_what_no_plan_shows_is_predicted_by_its_cost() -> None:
    same = {"a": plan(100), "b": plan(100)}
    found = predict(
        replace(strategy(INDEX), unshown={"a": 0.2}), same, same, {"a": 50.0, "b": 9.0}, {"a": 2.0, "b": 1.0}, EXACT
    )
    assert found.method == "cost_ratio"
    assert found.before == pytest.approx(100.0)
    assert found.mid == pytest.approx(20.0)


def test_new_statistics_believe_only_the_new_cost() -> None:
    before, after = {"a": plan(1)}, {"a": plan(40, "Index Scan")}
    found = predict(strategy(STATISTICS), before, after, {"a": 500.0}, {"a": 1.0}, EXACT)
    assert found.method == "calibrated_cost"
    assert found.mid == pytest.approx(40.0)


def test_cost_constants_are_read_on_the_scale_of_the_queries_that_keep_their_plan() -> None:
    kept = {f"k{number}": 10.0**number for number in range(6)}
    baseline = {name: cost / 10 for name, cost in kept.items()} | {"a": 500.0}
    before = {name: plan(cost) for name, cost in kept.items()} | {"a": plan(5000)}
    after = {name: plan(cost / 4) for name, cost in kept.items()} | {"a": plan(100, "Index Scan")}
    found = predict(strategy(RANDOM_PAGE_COST), before, after, baseline, {}, EXACT)
    assert found.method == "recalibrated_cost"
    assert found.before == pytest.approx(500.0)
    assert found.mid == pytest.approx(40.0)


def test_cost_constants_without_enough_such_queries_claim_nothing_about_the_middle() -> None:
    spread = Calibration(0.0, 1.0, (-1.0, -0.5, 0.0, 0.5, 1.0), 5)
    found = predict(
        strategy(RANDOM_PAGE_COST), {"a": plan(9)}, {"a": plan(5, "Index Scan")}, {"a": 10.0}, {"a": 1.0}, spread
    )
    assert (found.method, found.mid) == ("spread", 10.0)
    assert found.low < 10.0 < found.high


def test_memory_that_the_planner_does_not_see_at_work_claims_nothing_about_the_middle() -> None:
    spread = Calibration(0.0, 1.0, (-1.0, -0.5, 0.0, 0.5, 1.0), 5)
    found = predict(strategy(WORK_MEM, query_ids=("a",)), {}, {}, {"a": 10.0, "b": 5.0}, {"a": 3.0}, spread)
    assert (found.method, found.mid, found.before) == ("spread", 30.0, 30.0)
    assert found.low < 30.0


def test_memory_that_the_planner_sees_at_work_is_predicted_by_the_ratio() -> None:
    found = predict(strategy(WORK_MEM), {"a": plan(100)}, {"a": plan(50)}, {"a": 10.0}, {"a": 1.0}, EXACT)
    assert (found.method, found.mid) == ("cost_ratio", 5.0)


def test_the_seed_fixes_the_interval() -> None:
    noisy = Calibration(0.0, 1.0, tuple(np.random.default_rng(1).normal(0, 0.5, 30)), 30)

    def interval(seed: int) -> Prediction:
        before, after = {"a": plan(100)}, {"a": plan(10, "Index Scan")}
        return predict(strategy(INDEX), before, after, {"a": 50.0}, {"a": 1.0}, noisy, seed=seed)

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


@pytest.mark.parametrize("change", [INDEX, STATISTICS])
@pytest.mark.parametrize("others", [8, 40])
def test_the_interval_covers_what_it_says(change: Change, others: int) -> None:
    rng = np.random.default_rng(others)
    worlds, covered = 150, 0
    for world in range(worlds):
        costs = np.exp(rng.uniform(2, 10, others))
        noise = rng.normal(0, 0.5, (2, others + 1))
        calibration = fit_calibration(zip(costs, 0.02 * costs**0.8 * np.exp(noise[0, :others]), strict=True))
        before_cost, after_cost = float(exp(9)), float(exp(6))
        before_ms = 0.02 * before_cost**0.8 * exp(noise[0, others])
        truth = 0.02 * after_cost**0.8 * exp(noise[1, others])
        found = predict(
            strategy(change),
            {"a": plan(before_cost)},
            {"a": plan(after_cost, "Index Scan")},
            {"a": before_ms},
            {"a": 1.0},
            calibration,
            confidence=0.9,
            seed=world,
        )
        covered += found.low <= truth <= found.high
    assert covered / worlds >= 0.85


@given(
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e7))),
    st.sampled_from([INDEX, STATISTICS, RANDOM_PAGE_COST, WORK_MEM]),
)
def test_an_interval_is_always_in_order_and_never_negative(
    world: dict[str, tuple[float, float, float]], change: Change
) -> None:
    found = predict(
        strategy(change, query_ids=tuple(world)),
        {name: plan(before) for name, (before, _, _) in world.items()},
        {name: plan(after, "Index Scan") for name, (_, after, _) in world.items()},
        {name: ms for name, (_, _, ms) in world.items()},
        {},
        Calibration(0.0, 1.0, (-0.5, 0.0, 0.1, 0.7), 4),
    )
    assert 0 <= found.low <= found.mid <= found.high
    assert found.before >= 0


def tried(before_ms: float, after_ms: float, timed_out: int = 0) -> QueryTrial:
    return QueryTrial("q", before_ms, after_ms, 10, True, "not_worse", timed_out)


def test_the_error_of_a_guess_is_the_log_of_measured_over_guessed() -> None:
    before, after = plan(1000.0), plan(10.0, "Index Scan")
    calibration = Calibration(0.0, 1.0, (0.0,), 9)
    assert ratio_error(before, after, tried(100.0, 2.0), calibration) == pytest.approx(log(2.0))


def test_a_run_at_its_time_limit_teaches_nothing() -> None:
    assert ratio_error(plan(9.0), plan(3.0), tried(100.0, 2.0, timed_out=1), Calibration(0.0, 1.0, (0.0,), 9)) is None


def test_once_enough_guesses_were_tried_the_interval_is_made_of_their_errors() -> None:
    index = strategy(CreateIndex("public", "t", "i", "USING btree (a)", ("a",)))
    before, after = {"q": plan(1000.0)}, {"q": plan(10.0, "Index Scan")}
    wide = Calibration(0.0, 1.0, (-3.0, -1.0, 0.0, 1.0, 3.0), 5)
    few = predict(index, before, after, {"q": 100.0}, {"q": 1.0}, wide, ratio_errors=(0.1, -0.1))
    many = predict(index, before, after, {"q": 100.0}, {"q": 1.0}, wide, ratio_errors=(-0.2, -0.1, 0.0, 0.1, 0.2))
    assert (few.method, many.method) == ("cost_ratio", "learned_cost_ratio")
    assert many.mid == pytest.approx(few.mid)
    assert few.low < many.low <= many.mid <= many.high < few.high
    assert many.high / many.mid < 2.0
