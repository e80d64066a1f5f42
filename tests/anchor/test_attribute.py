"""Claims about the search for causes, over planners that are functions: what is named restores the plan, no less does.

What PostgreSQL makes of it is tested with servers in tests/lifecycle/test_attribution.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.attribute import attribute_flip, has_moved, kind_of, ranked
from trimtab.model.flip import (
    CauseKind,
    Difference,
    IndexDifference,
    Name,
    ObjectStatistics,
    ParameterDifference,
    PlanningDifference,
    SchemaDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
    VersionDifference,
)
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.plan_shape import PlanShape, plan_shape
from trimtab.model.whatif import PlanFailure

OLD, NEW, OTHER = (Plan(PlanNode(kind, 1.0, 0.0, 1.0, "public", "t", "t")) for kind in ("Old", "New", "Other"))
STATISTICS, GROWN = TableStatistics("public", "t"), TableSize("public", "t", 1000, 10_000, 10, 100)
LONGER = TableSize("public", "t", 1000, 1001, 10, 100)
INDEX = IndexDifference("public", "t_x", "t", "dropped")
SETTING, MODE = SettingDifference("work_mem", "role", "app"), SettingDifference("plan_cache_mode", "role", "app")
OBJECT = ObjectStatistics("public", "t_xy", "public", "t", "dropped")
SCHEMA, VERSION = SchemaDifference("public", "t"), VersionDifference(17, 18)
ELSEWHERE = TableStatistics("public", "u")
ALL: tuple[Difference, ...] = (STATISTICS, GROWN, INDEX, SETTING, OBJECT, SCHEMA)


@dataclass
class Planner:
    """Plans by a function of what is taken back, and of whether the plan is generic; counts what it is asked."""

    plans: Callable[[frozenset[Difference], bool], Plan | PlanFailure]
    differences: tuple[Difference, ...] = ALL
    modes: tuple[bool, ...] = (False,)
    others: tuple[Plan | PlanFailure, ...] = ()
    relations: frozenset[Name] = frozenset({("public", "t")})
    engine_version: int = 180006
    steered: Callable[[frozenset[tuple[str, str]]], Plan | PlanFailure] = lambda _: NEW
    asked: list[frozenset[Difference]] = field(default_factory=list)

    def planned(self, without: Sequence[Difference] = (), *, is_generic: bool) -> Plan | PlanFailure:
        self.asked.append(frozenset(without))
        return self.plans(frozenset(without), is_generic)

    def planned_with(self, settings: Sequence[Mapping[str, str]], *, is_generic: bool) -> list[Plan | PlanFailure]:
        return [self.steered(frozenset(one.items())) for one in settings]

    def planned_for_others(self) -> list[Plan | PlanFailure]:
        return list(self.others)

    def shape_of(self, plan: Plan) -> PlanShape:
        return plan_shape(plan, {})


def found_by(
    planner: Planner, *, was_generic: bool | None = None, most: int = 200
) -> tuple[CauseKind | None, set[Difference]]:
    told = attribute_flip(planner, plan_shape(OLD, {}), plan_shape(NEW, {}), was_generic=was_generic, most_plans=most)
    return told.kind, set(told.causes)


@given(st.sets(st.sampled_from(ALL), min_size=1).map(frozenset))
def test_what_alone_restores_the_plan_is_named_whole_and_nothing_beside_it(needed: frozenset[Difference]) -> None:
    planner = Planner(lambda without, _: OLD if needed <= without else NEW)
    assert found_by(planner)[1] == needed


@given(st.sets(st.frozensets(st.sampled_from(ALL), min_size=1), min_size=1, max_size=5))
def test_of_several_sufficient_sets_one_is_named_that_no_part_of_suffices(sets: set[frozenset[Difference]]) -> None:
    def plans(without: frozenset[Difference], _: bool) -> Plan:
        return OLD if any(one <= without for one in sets) else NEW

    causes = frozenset(found_by(Planner(plans))[1])
    assert plans(causes, False) is OLD
    assert all(plans(causes - {one}, False) is NEW for one in causes)


@given(st.integers(1, 12), st.sets(st.sampled_from(ALL)).map(frozenset))
def test_no_more_plans_are_made_than_allowed_and_then_none_is_named(most: int, needed: frozenset[Difference]) -> None:
    planner = Planner(lambda without, _: OLD if without > needed and len(without) > 4 else NEW)
    found_by(planner, most=most)
    assert len(planner.asked) <= most
    assert len(set(planner.asked)) == len(planner.asked)


def test_of_two_ways_that_show_the_flip_the_one_of_the_old_plan_is_searched() -> None:
    """For its own values it is a sequential scan whatever differs; for any values the setting decides."""
    planner = Planner(
        lambda without, is_generic: OLD if is_generic and SETTING in without else NEW, modes=(False, True)
    )
    assert found_by(planner, was_generic=True) == (CauseKind.SETTING, {SETTING})
    assert found_by(planner, was_generic=False) == (None, set())


def test_a_twin_that_does_not_show_the_flip_proves_nothing() -> None:
    told = attribute_flip(Planner(lambda *_: OTHER), plan_shape(OLD, {}), plan_shape(NEW, {}))
    assert not told.is_attributed
    assert "does not show the flip" in told.reason
    assert [trial.shape for trial in told.proof] == [plan_shape(OTHER, {}).hash]


def test_what_cannot_be_planned_restores_nothing_and_its_reason_is_in_the_proof() -> None:
    told = attribute_flip(
        Planner(lambda without, _: PlanFailure("", "no such column") if without else NEW),
        plan_shape(OLD, {}),
        plan_shape(NEW, {}),
    )
    assert (told.kind, told.causes) == (None, ())
    assert {trial.reason for trial in told.proof} == {"", "no such column"}


def test_only_what_touches_the_query_is_taken_back_the_index_of_a_plan_first() -> None:
    old = PlanShape("o", (), frozenset(), frozenset({"t_x"}))
    new = PlanShape("n", (), frozenset(), frozenset())
    differences = (STATISTICS, SETTING, MODE, ELSEWHERE, OBJECT, GROWN, INDEX, SCHEMA, VERSION)
    assert ranked(differences, frozenset({("public", "t")}), old, new) == (INDEX, OBJECT, SETTING, GROWN, STATISTICS)
    assert ranked((STATISTICS, LONGER), frozenset({("public", "t")}), old, new) == (STATISTICS, LONGER)


def test_statistics_and_sizes_are_growth_only_where_rows_moved() -> None:
    assert kind_of([GROWN]) is kind_of([GROWN, STATISTICS]) is CauseKind.DATA_GROWTH
    assert kind_of([LONGER]) is CauseKind.BLOAT
    assert kind_of([LONGER, STATISTICS]) is kind_of([STATISTICS]) is CauseKind.STATISTICS
    assert kind_of([INDEX, STATISTICS]) is CauseKind.SEVERAL
    assert has_moved(TableSize("public", "t", 5000, 1000, 1, 1))
    assert not has_moved(TableSize("public", "t", 0, 0, 1, 1))


def test_a_generic_plan_where_the_custom_one_is_the_old_is_a_switch() -> None:
    planner = Planner(lambda _, is_generic: NEW if is_generic else OLD, (STATISTICS,), (False, True))
    assert found_by(planner) == (CauseKind.GENERIC_PLAN, {PlanningDifference(is_generic_now=True)})


def test_the_setting_that_forces_the_switch_is_named_before_it() -> None:
    planner = Planner(lambda _, is_generic: NEW if is_generic else OLD, (MODE,), (False, True))
    assert found_by(planner) == (CauseKind.SETTING, {MODE})


def test_a_generic_plan_that_was_one_before_is_no_switch() -> None:
    def plans(without: frozenset[Difference], is_generic: bool) -> Plan:
        return NEW if is_generic and STATISTICS not in without else OLD

    assert found_by(Planner(plans, (STATISTICS,), (False, True))) == (CauseKind.STATISTICS, {STATISTICS})
    assert found_by(Planner(plans, (STATISTICS,), (False, True)), was_generic=True)[0] is CauseKind.STATISTICS
    assert found_by(Planner(plans, (STATISTICS,), (False, True)), was_generic=False)[0] is CauseKind.GENERIC_PLAN


def test_values_of_another_class_are_named_only_where_nothing_else_restores_the_plan() -> None:
    assert found_by(Planner(lambda *_: NEW, others=(OLD,))) == (CauseKind.PARAMETERS, {ParameterDifference()})
    assert found_by(Planner(lambda *_: NEW, others=(OTHER,))) == (None, set())
    restoring = Planner(lambda without, _: OLD if INDEX in without else NEW, others=(OLD,))
    assert found_by(restoring)[0] is CauseKind.INDEX


def test_the_version_is_named_when_all_else_does_not_restore_the_plan_and_it_does() -> None:
    planner = Planner(lambda without, _: OLD if VERSION in without else NEW, (STATISTICS, VERSION))
    assert found_by(planner) == (CauseKind.VERSION, {VERSION})
    restoring = Planner(lambda without, _: OLD if STATISTICS in without else NEW, (STATISTICS, VERSION))
    assert found_by(restoring)[0] is CauseKind.STATISTICS


def test_the_version_is_named_with_what_it_takes_besides_and_a_version_that_is_not_here_is_told() -> None:
    both = Planner(lambda without, _: OLD if {VERSION, STATISTICS} <= without else NEW, (STATISTICS, SETTING, VERSION))
    assert found_by(both) == (CauseKind.SEVERAL, {VERSION, STATISTICS})

    def without_programs(without: frozenset[Difference], _: bool) -> Plan | PlanFailure:
        return PlanFailure("", "no programs of PostgreSQL 17 are on this machine") if VERSION in without else NEW

    told = attribute_flip(Planner(without_programs, (STATISTICS, VERSION)), plan_shape(OLD, {}), plan_shape(NEW, {}))
    assert told.kind is None
    assert "server version 17 to 18: no programs of PostgreSQL 17" in told.reason


def test_the_version_is_told_with_the_schema_that_is_taken_back_with_it() -> None:
    def told(*differences: Difference) -> str:
        planner = Planner(lambda without, _: OLD if VERSION in without else NEW, differences)
        found = attribute_flip(planner, plan_shape(OLD, {}), plan_shape(NEW, {}))
        assert found.causes == (VERSION,)
        return found.reason

    assert told(STATISTICS, SCHEMA, VERSION).endswith("taken with it, which is another one: schema of public.t")
    assert "schema" not in told(STATISTICS, VERSION)


def test_nothing_that_differs_is_told_so() -> None:
    told = attribute_flip(Planner(lambda *_: NEW, (ELSEWHERE,)), plan_shape(OLD, {}), plan_shape(NEW, {}))
    assert told.reason == "nothing differs that the plan depends on"
