"""Which settings may be changed, to what, and for whom."""

from dataclasses import replace

import pytest

from trimtab.model.change import role_in_database
from trimtab.spec.settings import SettingLimit

from .catalogue import broken, judge, setting, spec


@pytest.mark.parametrize("value", ["4MB", "256MB", "65536", "0.25GB", "131072kB"])
def test_a_value_within_the_range_is_allowed_in_any_unit(value: str) -> None:
    assert judge(setting("work_mem", value)).compliant


@pytest.mark.parametrize(
    "value", ["3MB", "257MB", "262145", "1GB", "64mb", "5s", "0x10000", "010000", "-1", "", "x", None]
)
def test_a_value_outside_or_unreadable_is_refused(value: str | None) -> None:
    assert broken(judge(setting("work_mem", value))) == {"settings.allowed"}


def test_a_setting_whose_unit_is_unknown_needs_one() -> None:
    assert broken(judge(setting("effective_cache_size", "100000"))) == {"settings.allowed"}
    assert judge(setting("effective_cache_size", "4GB")).compliant


def test_words_are_compared_as_the_server_does() -> None:
    assert judge(setting("jit", "OFF")).compliant
    assert broken(judge(setting("jit", "maybe"))) == {"settings.allowed"}


def test_a_setting_that_is_not_listed_is_refused() -> None:
    assert broken(judge(setting("enable_seqscan", "off"))) == {"settings.allowed"}


@pytest.mark.parametrize("name", ["fsync", "FSYNC", "synchronous_commit", "search_path", "session_preload_libraries"])
def test_some_settings_are_never_changed(name: str) -> None:
    assert broken(judge(setting(name, "off"))) == {"settings.never", "settings.allowed"}


def test_never_holds_even_where_a_specification_says_otherwise() -> None:
    shipped = spec()
    limit = {"fsync": SettingLimit.model_validate({"values": ["off"]})}
    forged = shipped.limits.model_copy(update={"settings": shipped.settings.model_copy(update={"allowed": limit})})
    assert broken(judge(setting("fsync", "off"), replace(shipped, limits=forged))) == {"settings.never"}


def test_settings_are_for_this_database_or_a_role() -> None:
    assert judge(setting("jit", "off", "role", "reporting")).compliant
    assert broken(judge(setting("jit", "off", "system"))) == {"settings.scopes"}
    assert broken(judge(setting("jit", "off", "database x; drop table y; --"))) == {"settings.scopes"}
    assert broken(judge(setting("jit", "off", scope_name="other"))) == {"settings.other_database"}
    only_database = spec(settings={"scopes": ["database"]})
    assert broken(judge(setting("jit", "off", "role", "reporting"), only_database)) == {"settings.scopes"}


def test_a_value_that_is_no_plain_word_is_not_repeated() -> None:
    for name in ("jit", "work_mem", "search_path"):
        verdict = judge(setting(name, "canary 'secret'"))
        assert not any("canary" in v.message + v.actual + v.expected for v in verdict.violations)


IN_SHOP = role_in_database("reporting", "shop")
FUNCTION = '"public"."f"()'


def test_settings_may_be_for_a_role_in_this_database_or_for_a_function() -> None:
    assert judge(setting("jit", "off", "role_in_database", IN_SHOP)).compliant
    assert judge(setting("jit", "off", "function", FUNCTION)).compliant
    elsewhere = setting("jit", "off", "role_in_database", role_in_database("reporting", "other"))
    assert broken(judge(elsewhere)) == {"settings.other_database"}
    narrow = spec(settings={"scopes": ["database", "role"]})
    assert broken(judge(setting("jit", "off", "function", FUNCTION), narrow)) == {"settings.scopes"}


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("function", "public.f()"),
        ("function", FUNCTION + " SET search_path = 'x'; DROP TABLE orders; --"),
        ("function", '"public"."f"(int)'),
        ("role_in_database", "reporting"),
        ("role_in_database", IN_SHOP + " SET x"),
        ("role_in_database", '"" IN DATABASE "shop"'),
    ],
)
def test_a_scope_that_is_not_quoted_as_it_must_be_never_becomes_sql(scope: str, name: str) -> None:
    change = setting("jit", "off", scope, name)
    assert "settings.scopes" in broken(judge(change))
    with pytest.raises(ValueError, match="quoted"):
        change.sql()


def test_the_names_of_a_scope_are_read_back_as_they_were_given() -> None:
    change = setting("jit", None, "role_in_database", role_in_database('a" IN DATABASE "b', 'c"d'))
    assert change.role_and_database == ('a" IN DATABASE "b', 'c"d')
    assert change.sql() == 'ALTER ROLE "a"" IN DATABASE ""b" IN DATABASE "c""d" RESET "jit"'
