"""What the session's role must be allowed to do: refused where changes are made, told where they are considered."""

from dataclasses import replace

import pytest

from trimtab.model.change import Change, DropStatistics, SetDistinct, SetSetting, SetStatisticsTarget, role_in_database
from trimtab.validate.facts import facts_from
from trimtab.validate.rights import missing_rights

from .catalogue import ORDERS, broken, create, drop, facts, judge, setting, snapshot, spec, statistics, strategy

CLOSED = replace(ORDERS, may_create=False)


@pytest.mark.parametrize("change", [create("total"), statistics("id", "total"), drop("orders_customer_again")])
def test_without_create_on_the_schema_nothing_is_made_nor_dropped_that_could_not_be_put_back(change: Change) -> None:
    verdict = judge(change, known=facts(CLOSED))
    assert broken(verdict) == {"objects.no_create"}
    assert verdict.violations[0].path == "changes[0].schema"
    assert "CREATE on schema public" in verdict.violations[0].message
    assert judge(change, known=facts(CLOSED, is_applying=False)).compliant


def test_a_statistics_object_that_could_not_be_put_back_is_not_dropped() -> None:
    gone = DropStatistics("public", "orders", "orders_stat", ("status", "customer_id"), ("mcv", "ndistinct"))
    assert "objects.no_create" in broken(judge(gone, known=facts(CLOSED)))


def test_an_index_needs_create_on_the_default_tablespace_and_statistics_do_not() -> None:
    server = replace(snapshot().server, forbidden_tablespace="fast")
    known = facts_from(replace(snapshot(), server=server))
    assert broken(judge(create("total"), known=known)) == {"objects.no_tablespace"}
    assert judge(statistics("id", "total"), known=known).compliant
    assert judge(drop("orders_customer_again"), known=known).compliant  # it is put back where it was
    assert judge(create("total"), known=replace(known, is_applying=False)).compliant


def test_settings_are_for_those_who_own_or_administer_what_they_are_set_for() -> None:
    known = facts_from(replace(snapshot(), settable_scopes=frozenset({"role:mine"})))
    for change in (setting("jit", "off"), setting("jit", "off", "role", "theirs")):
        assert broken(judge(change, known=known)) == {"settings.not_owner"}
        assert judge(change, known=replace(known, is_applying=False)).compliant
    assert judge(setting("jit", "off", "role", "mine"), known=known).compliant
    for scope, name in (("role_in_database", role_in_database("theirs", "shop")), ("function", '"public"."f"()')):
        assert broken(judge(setting("jit", "off", scope, name), known=known)) == {"settings.not_owner"}
    assert judge(setting("jit", "off", "role_in_database", role_in_database("mine", "shop")), known=known).compliant
    assert judge(setting("jit", "off")).compliant


def test_what_is_missing_can_be_asked_apart_from_the_other_rules() -> None:
    foreign = replace(CLOSED, is_owned=False)
    wanted = strategy(create("total", name="no_prefix"), SetSetting("role", "theirs", "jit", "off"))
    found = missing_rights(wanted, spec(), facts(foreign))
    assert [violation.rule_id for violation in found] == [
        "objects.not_owner",
        "objects.no_create",
        "settings.not_owner",
    ]
    assert missing_rights(strategy(create("total")), spec(), facts()) == ()


@pytest.mark.parametrize(
    "change", [SetStatisticsTarget("public", "orders", "total", 500), SetDistinct("public", "orders", "total", -0.5)]
)
def test_what_is_told_of_a_column_needs_the_table_and_not_its_schema(change: Change) -> None:
    assert judge(change, known=facts(CLOSED)).compliant
    assert broken(judge(change, known=facts(replace(ORDERS, is_owned=False)))) == {"objects.not_owner"}
