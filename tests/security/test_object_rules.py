"""What is new, gone or other of casts, operators, types, large objects and the like, by the kind of each."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from trimtab.embedded.server import Server
from trimtab.security import sections
from trimtab.security.difference import Effect, compare
from trimtab.security.snapshot import Row, SecuritySnapshot

from .vault import look_anew

EMPTY = SecuritySnapshot("d", 1, "1", 180006, "r", 1, {})
W, S, N, U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN
PLAIN: Row = {"owner": "keeper", "definition": "one"}


def _effects(section: str, before: Row | None, after: Row | None) -> list[tuple[str, Effect]]:
    old, new = ({section: {} if row is None else {"it": row}} for row in (before, after))
    found = compare(replace(EMPTY, sections=old), replace(EMPTY, sections=new))
    return [(each.code.removeprefix("posture."), each.effect) for each in found]


@pytest.mark.parametrize(
    ("section", "whole", "changed"),
    [
        ("operators", "operator", "operator_function"),
        ("operator_classes", "operator_class", "operator_class_changed"),
        ("operator_families", "operator_class", "operator_family"),
        ("types", "type", "type_definition"),
        ("aggregates", "function", "function_body"),
        ("collations", "collation", "collation_changed"),
        ("conversions", "conversion", "conversion_changed"),
        ("text_search", "text_search", "text_search_changed"),
        ("tablespaces", "tablespace", "tablespace"),
        ("foreign_tables", "relation", "foreign_table"),
        ("statistics_objects", "statistics_object", "statistics_object"),
    ],
)
def test_a_new_one_and_one_that_is_gone_are_neutral_and_another_one_is_unknown(
    section: str, whole: str, changed: str
) -> None:
    assert _effects(section, None, PLAIN) == [(whole, N)]
    assert _effects(section, PLAIN, None) == [(whole, N)]
    assert _effects(section, PLAIN, {**PLAIN, "owner": "other"}) == [("owner", U)]
    assert _effects(section, PLAIN, {**PLAIN, "definition": "two"}) == [(changed, U)]


@pytest.mark.parametrize("section", ["casts", "access_methods", "transforms"])
def test_what_existing_expressions_can_come_to_mean_or_code_in_the_server_is_unknown(section: str) -> None:
    code = {"casts": "cast", "access_methods": "access_method", "transforms": "transform"}[section]
    assert _effects(section, None, {"function": "f"}) == [(code, U)]
    assert _effects(section, {"function": "f"}, None) == [(code, U)]
    assert _effects(section, {"function": "f"}, {"function": "g"}) == [(code, U)]


@pytest.mark.parametrize(
    ("before", "after", "effect"), [("e", "a", W), ("a", "i", W), ("e", "i", W), ("i", "a", S), ("a", "e", S)]
)
def test_a_cast_that_is_made_more_often_by_itself_is_weaker(before: str, after: str, effect: Effect) -> None:
    assert _effects("casts", {"context": before}, {"context": after}) == [("cast_context", effect)]


@pytest.mark.parametrize("section", ["operator_classes", "conversions"])
def test_a_new_default_is_unknown_and_one_that_is_none_any_more_too(section: str) -> None:
    code = {"operator_classes": "operator_class", "conversions": "conversion"}[section]
    assert (f"{code}_changed", U) in _effects(section, None, {**PLAIN, "is_default": True})
    assert _effects(section, {"is_default": True}, {"is_default": False}) == [(f"{code}_changed", U)]


def test_rights_on_a_large_object_count_one_by_one() -> None:
    def held(*privileges: str) -> Row:
        return {"owner": "keeper", "privileges": privileges}

    def effects(before: Row | None, after: Row | None) -> list[tuple[str, Effect]]:
        return _effects("large_objects", before, after)

    assert effects(held(), held("app=SELECT")) == [("grant", W)]
    assert effects(held("app=SELECT"), held()) == [("grant", S)]
    assert effects(held("app=SELECT"), held("=SELECT")) == [("grant_public", W), ("grant", S)]
    assert effects(held(), {**held(), "owner": "other"}) == [("owner", U)]
    assert set(effects(None, held("app=SELECT"))) == {("large_object", N), ("grant", N)}
    assert set(effects(None, held("=SELECT"))) == {("large_object", N), ("grant_public", W)}
    assert set(effects(held("=SELECT"), None)) == {("large_object", N), ("grant_public", N)}


@pytest.mark.server
def test_a_type_is_for_everybody_at_first_and_what_is_granted_on_it_is_told_alone(server: Server) -> None:
    def told(*statements: str) -> set[tuple[str, str, str]]:
        before = look_anew(server)
        with closing(psycopg.connect(server.dsn("vault"), autocommit=True)) as conn:
            for statement in statements:
                conn.execute(statement.encode())
        return {(each.code, each.key, each.effect.value) for each in compare(before, look_anew(server))}

    made = told("CREATE TYPE fresh AS (a int)", "CREATE DOMAIN whole AS int")
    assert {effect for _, _, effect in made} == {"neutral"}
    here = '"type"."public"."fresh".'
    assert told("GRANT USAGE ON TYPE fresh TO app") == {("posture.grant", f'{here}"app"', "weakened")}
    assert told("REVOKE USAGE ON TYPE fresh FROM PUBLIC") == {
        ("posture.grant_public", f'{here}"PUBLIC"', "strengthened")
    }
    gone = told("DROP TYPE fresh", "DROP DOMAIN whole")
    assert {effect for _, _, effect in gone} == {"neutral"}


@pytest.mark.server
def test_of_very_many_large_objects_those_that_others_may_use_are_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = next(each for each in sections.SECTIONS if each.name == "large_objects")
    few = replace(section, parameters=(3,), most=3)
    others = tuple(each for each in sections.SECTIONS if each is not section)
    monkeypatch.setattr("trimtab.security.read.SECTIONS", (*others, few))
    with closing(psycopg.connect(server.dsn("vault"), autocommit=True)) as conn:
        assert "large_objects" not in look_anew(server).unreadable
        try:
            conn.execute("SELECT lo_create(n) FROM generate_series(100, 104) n")
            conn.execute("GRANT SELECT ON LARGE OBJECT 104 TO app")
            seen = look_anew(server)
        finally:
            conn.execute("SELECT lo_unlink(n) FROM generate_series(100, 104) n")
    assert len(seen.rows("large_objects")) == 3
    assert seen.row("large_objects", '"104"') == {"owner": seen.role, "privileges": ("app=SELECT",)}
    assert seen.unreadable["large_objects"] == "in part: there are more than 3"
