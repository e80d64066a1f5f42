"""By what a plan is locked follows from the cause, the server and the rights, and what is closed says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.mechanism import (
    Capability,
    Cause,
    ColumnThen,
    MechanismKind,
    Situation,
    choose,
    scopes_of,
)
from trimtab.model.change import (
    CreateIndex,
    CreateStatistics,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    role_in_database,
)

INDEX = CreateIndex("public", "orders", "orders_city", "USING btree (city)", ("city",))
OBJECT = CreateStatistics("public", "orders", "city_zip", ("city", "zip"), ("dependencies",))
RESTORE = RestoreStatistics("public", "orders", ("city",), "0" * 64, "1" * 64)
CITY = ColumnThen("public", "orders", "city", 20000.0, 50.0)
FUNCTION = '"public"."f"()'
ABLE = Capability(
    server_version=180006,
    settable=frozenset({"role:app", "database:shop", f"function:{FUNCTION}"}),
    scopes=scopes_of("app", "shop", FUNCTION),
    owned=frozenset({("public", "orders")}),
)
ALL = Situation(
    Cause.UNKNOWN,
    indexes=(INDEX,),
    statistics_objects=(OBJECT,),
    settings=(("random_page_cost", "1.1"),),
    columns=(CITY,),
    restorable=(RESTORE,),
    was_generic=False,
)


def _kinds(situation: Situation, capability: Capability = ABLE) -> list[MechanismKind]:
    return list(dict.fromkeys(mechanism.kind for mechanism in choose(situation, capability).mechanisms))


@pytest.mark.parametrize(
    ("cause", "first"),
    [
        (Cause.INDEX, (INDEX,)),
        (Cause.EXTENDED_STATISTICS, (OBJECT,)),
        (Cause.SETTING, (SetSetting("function", FUNCTION, "random_page_cost", "1.1"),)),
        (Cause.GENERIC_PLAN, (SetSetting("function", FUNCTION, "plan_cache_mode", "force_custom_plan"),)),
        (Cause.STATISTICS, (RESTORE,)),
    ],
)
def test_the_cause_itself_is_taken_away_first(cause: Cause, first: tuple[object, ...]) -> None:
    assert choose(replace(ALL, cause=cause), ABLE).mechanisms[0].changes == first


def test_a_setting_is_offered_for_the_narrowest_scope_first_and_only_where_the_role_may() -> None:
    by_scope = [m.changes[0] for m in choose(replace(ALL, cause=Cause.SETTING), ABLE).mechanisms]
    assert [change.scope for change in by_scope if isinstance(change, SetSetting)] == [
        "function",
        "role_in_database",
        "role",
        "database",
    ]
    only_role = replace(ABLE, settable=frozenset({"role:app"}))
    choice = choose(replace(ALL, cause=Cause.SETTING), only_role)
    assert [m.changes for m in choice.mechanisms] == [
        (SetSetting("role_in_database", role_in_database("app", "shop"), "random_page_cost", "1.1"),),
        (SetSetting("role", "app", "random_page_cost", "1.1"),),
    ]
    assert (MechanismKind.SETTING, "the role may not set settings for function, database") in choice.closed


def test_a_plan_for_any_values_is_held_by_planning_for_any_values() -> None:
    (first, *_) = choose(replace(ALL, cause=Cause.GENERIC_PLAN, was_generic=True), ABLE).mechanisms
    assert first.changes == (SetSetting("function", FUNCTION, "plan_cache_mode", "force_generic_plan"),)
    unknown = choose(replace(ALL, cause=Cause.GENERIC_PLAN, was_generic=None), ABLE)
    assert (MechanismKind.PLAN_CACHE_MODE, "it is not known how the anchored plan was made") in unknown.closed


def test_statistics_are_restored_from_18_on_and_before_that_told_to_analyze() -> None:
    statistics = replace(ALL, cause=Cause.STATISTICS)
    assert _kinds(statistics) == [
        MechanismKind.RESTORED_STATISTICS,
        MechanismKind.DISTINCT,
        MechanismKind.TARGET,
        MechanismKind.EXTENDED_STATISTICS,
    ]
    older = choose(statistics, replace(ABLE, server_version=150004))
    assert [m.changes for m in older.mechanisms[:2]] == [
        (SetDistinct("public", "orders", "city", 20000.0),),
        (SetStatisticsTarget("public", "orders", "city", 1000),),
    ]
    assert dict(older.closed)[MechanismKind.RESTORED_STATISTICS].startswith("the server is of version 15")


def test_a_number_that_analyze_still_finds_is_not_told_to_it_and_a_full_target_not_raised() -> None:
    near = replace(CITY, distinct_now=15000.0, target=1000)
    assert MechanismKind.DISTINCT not in _kinds(replace(ALL, cause=Cause.STATISTICS, columns=(near,)))
    assert MechanismKind.TARGET not in _kinds(replace(ALL, cause=Cause.STATISTICS, columns=(near,)))
    share = replace(CITY, distinct_then=-0.4, distinct_now=400.0)
    found = choose(replace(ALL, cause=Cause.STATISTICS, columns=(share,)), ABLE).mechanisms
    assert (SetDistinct("public", "orders", "city", -0.4),) in [m.changes for m in found]


def test_what_others_own_is_not_changed() -> None:
    choice = choose(replace(ALL, cause=Cause.INDEX), replace(ABLE, owned=frozenset()))
    assert choice.mechanisms == ()
    assert (MechanismKind.INDEX, "the role does not own public.orders") in choice.closed


def test_extensions_that_say_the_plan_come_last_and_without_changes() -> None:
    able = replace(ABLE, server_version=190000, extensions={"pg_hint_plan": "1.9", "pg_stash_advice": "1.0"})
    assert _kinds(ALL, able)[-2:] == [MechanismKind.PLAN_ADVICE, MechanismKind.HINT_TABLE]
    assert all(m.changes == () for m in choose(ALL, able).mechanisms[-2:])
    closed = dict(choose(ALL, ABLE).closed)
    assert closed[MechanismKind.PLAN_ADVICE] == "the server is of version 18: it is there since 19"
    assert closed[MechanismKind.HINT_TABLE] == "pg_hint_plan is not installed in this database"


@given(
    cause=st.sampled_from(Cause),
    version=st.sampled_from([130000, 170005, 180000, 190000]),
    was_generic=st.sampled_from([None, True, False]),
    owned=st.sampled_from([frozenset(), ABLE.owned]),
    settable=st.frozensets(st.sampled_from(sorted(ABLE.settable))),
    has_much=st.booleans(),
)
def test_whatever_is_chosen_the_role_may_do_and_whatever_is_not_says_why(
    cause: Cause,
    version: int,
    was_generic: bool | None,
    owned: frozenset[tuple[str, str]],
    settable: frozenset[str],
    has_much: bool,
) -> None:
    situation = replace(ALL if has_much else Situation(cause), cause=cause, was_generic=was_generic)
    able = replace(ABLE, server_version=version, owned=owned, settable=settable)
    choice = choose(situation, able)
    assert choice == choose(situation, able)
    assert choice.mechanisms or choice.closed
    for mechanism in choice.mechanisms:
        for change in mechanism.changes:
            if isinstance(change, SetSetting):
                key = "role:app" if change.scope == "role_in_database" else change.scope_key
                assert key in settable
            else:
                assert ("public", "orders") in owned
            assert version >= 180000 or not isinstance(change, RestoreStatistics)
    assert all(reason for _, reason in choice.closed)
