from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trimtab.model.change import Change, CreateIndex, CreateStatistics, DropIndex, SetSetting
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.strategy import Strategy
from trimtab.trial.arms import Step, arm
from trimtab.trial.selection import Selected, changed_index_tables, select

INDEX = CreateIndex("public", "t", "t_k", "USING btree (k)", ("k",))
DROP = DropIndex("public", "t", "t_old", "USING btree (k)", ("k",))
STATISTICS = CreateStatistics("public", "t", "t_stat", ("a", "b"), ("mcv",))


def strategy(*changes: Change) -> Strategy:
    return Strategy(changes, "test", "title", "reason", ())


def setting(name: str, value: str | None = "1") -> Strategy:
    return strategy(SetSetting("database", "shop", name, value))


def scan(index: str | None = None, cost: float = 10.0) -> Plan:
    return Plan(PlanNode("Index Scan" if index else "Seq Scan", cost, 0.0, 1.0, "public", "t", "t", index))


def sort(cost: float = 10.0) -> Plan:
    return Plan(PlanNode("Sort", cost, 0.0, 1.0, children=(scan().root,)))


def write(table: str, operation: str = "Insert") -> Plan:
    return Plan(PlanNode("ModifyTable", 1.0, 0.0, 1.0, "public", table, table, operation=operation))


NAMES = frozenset({("public", "t")})


def test_a_query_with_another_plan_is_measured() -> None:
    assert select(strategy(INDEX), True, scan(), scan("t_k"), NAMES) == Selected(plan_changed=True)


def test_a_query_with_the_same_plan_is_left_out() -> None:
    assert select(strategy(INDEX), True, scan(), scan(), NAMES) is None


def test_a_write_to_the_touched_table_is_measured_and_one_to_another_is_not() -> None:
    assert select(strategy(INDEX), False, write("t"), write("t"), NAMES) == Selected(plan_changed=False)
    assert select(strategy(INDEX), False, write("u"), write("u"), NAMES) is None


@pytest.mark.parametrize("change", [strategy(INDEX), strategy(DROP), strategy(STATISTICS), setting("random_page_cost")])
def test_a_query_that_calls_functions_of_the_users_is_watched_whatever_changes(change: Strategy) -> None:
    found = select(change, True, scan(), scan(), frozenset(), hides_work=True)
    assert found == Selected(plan_changed=False, is_watched=True)
    assert select(change, True, scan(), scan("t_k"), frozenset(), hides_work=True) == Selected(plan_changed=True)


@pytest.mark.parametrize(
    ("operation", "reaching", "is_watched"),
    [
        ("Insert", "Insert", True),
        ("Insert", "Update", True),
        ("Insert", "Delete", False),
        ("Update", "Update", True),
        ("Update", "Insert", False),
        ("Delete", "Delete", True),
        ("Merge", "Delete", True),
    ],
)
def test_a_write_is_watched_that_may_go_on_to_the_touched_table(
    operation: str, reaching: str, is_watched: bool
) -> None:
    plan = write("u", operation)
    found = select(strategy(INDEX), False, plan, plan, NAMES, reaching={("public", "u", reaching)})
    assert found == (Selected(plan_changed=False, is_watched=True) if is_watched else None)
    assert select(strategy(INDEX), True, plan, plan, NAMES, reaching={("public", "u", reaching)}) is None


def test_a_query_that_cannot_be_planned_in_one_arm_is_measured() -> None:
    assert select(strategy(INDEX), True, scan(), None, NAMES) == Selected(plan_changed=True)
    assert select(strategy(INDEX), True, None, None, NAMES) is None


def test_other_cost_units_alone_are_no_reason_to_measure() -> None:
    assert select(setting("random_page_cost"), True, scan(cost=10), scan(cost=5), frozenset()) is None


def test_more_memory_is_measured_where_a_plan_sorts_though_the_planner_sees_no_difference() -> None:
    assert select(setting("work_mem"), True, sort(), sort(), frozenset()) == Selected(plan_changed=False)
    assert select(setting("work_mem"), True, scan(), scan(), frozenset()) is None


@pytest.mark.parametrize(
    ("seen", "value", "is_measured"),
    [
        ({"memory_kb": 900.0}, "8MB", False),
        ({"memory_kb": 900.0}, "512kB", True),
        ({"memory_kb": 900.0}, "512", True),
        ({"sort_space_kb": 9000.0, "sort_on_disk": True}, "8MB", True),
        ({"hash_batches": 4}, "8MB", True),
        ({"temp_blocks": 1}, "8MB", True),
        ({"was_lossy": True}, "8MB", True),
        ({}, None, True),
    ],
)
def test_a_run_that_had_memory_enough_says_that_more_would_change_nothing(
    seen: dict[str, Any], value: str | None, is_measured: bool
) -> None:
    ran = Plan(replace(sort().root, **seen))
    found = select(setting("work_mem", value), True, sort(), sort(), frozenset(), ran)
    assert (found is not None) == is_measured


def test_a_run_of_another_plan_says_nothing_of_memory() -> None:
    ran = Plan(replace(scan().root, children=(sort().root,)))
    assert select(setting("work_mem", "8MB"), True, sort(), sort(), frozenset(), ran) is not None


@pytest.mark.parametrize("name", ["jit", "jit_above_cost", "effective_io_concurrency"])
def test_settings_of_the_executor_are_measured_on_every_query(name: str) -> None:
    assert select(setting(name), True, scan(), scan(), frozenset()) == Selected(plan_changed=False)


def test_only_indexes_make_writes_of_interest() -> None:
    assert changed_index_tables(strategy(INDEX, DROP, STATISTICS)) == NAMES
    assert changed_index_tables(strategy(STATISTICS)) == frozenset()


def test_an_arm_takes_away_what_is_not_there_yet() -> None:
    assert arm((), (strategy(INDEX),)) == (Step(text='DROP INDEX "public"."t_k"'),)
    assert arm((), (strategy(STATISTICS),)) == (Step(text='DROP STATISTICS "public"."t_stat"'),)
    assert arm((strategy(INDEX, STATISTICS),)) == ()


def test_an_arm_never_has_to_build_a_dropped_index_again() -> None:
    assert arm((strategy(DROP),)) == (Step(text='DROP INDEX "public"."t_old"'),)
    assert arm((), (strategy(DROP),)) == ()


def test_a_later_setting_stands_on_top_of_an_accepted_one() -> None:
    assert arm((setting("work_mem", "8MB"), setting("work_mem", None))) == (
        Step(setting=("work_mem", "8MB")),
        Step(setting=("work_mem", None)),
    )
