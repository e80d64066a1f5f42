"""On every version: what opens a server is found, in each section that the version has, and nothing without a cause."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from tests.cli.program import Program
from tests.security.cases import OBJECTS, Case

pytestmark = [pytest.mark.server, pytest.mark.versions]
WEAKENED = {  # by posture code, the version since which it can be
    "isolation": 13,
    "role_bypass_rls": 13,
    "membership": 13,
    "member_of_all_data": 14,
    "member_of_maintain": 17,
    "grant_trigger": 13,
    "grant_parameter": 15,
    "grant_maintain": 17,
    "grant_default": 13,
    "database_open": 13,
    "row_level_security": 13,
    "policy": 13,
    "view_barrier": 13,
    "view_invoker": 15,
    "rewrite_rule": 13,
    "definer": 13,
    "trigger_disabled": 13,
    "event_trigger_disabled": 13,
    "constraint": 13,
    "index_unique": 13,
    "publication_tables": 13,
    "subscription_password": 16,
    "replication_slot": 13,
    "extension": 13,
    "language": 13,
    "foreign_wrapper": 13,
    "foreign_server": 13,
    "user_mapping": 13,
}


def _cases(major: int) -> list[Case]:
    """The first of one statement for each code: together they would stand in each other's way otherwise."""
    first: dict[str, Case] = {}
    for case in OBJECTS:
        if " ;; " not in case.do:
            first.setdefault(case.code, case)
    return [first[code] for code, since in WEAKENED.items() if since <= major]


def test_what_is_weakened_is_found_and_what_is_put_back_is_no_difference(
    vault: str, program: Program, major: int
) -> None:
    source, cases = vault, _cases(major)
    program.succeed("security", "baseline", source, "--out", "before.json")
    program.succeed("security", "check", source, "--baseline", "before.json")
    with closing(psycopg.connect(source, autocommit=True)) as conn:
        conn.execute("SET allow_system_table_mods = on")
        _run(conn, [case.do for case in cases])
        try:
            weak = program.run("security", "check", source, "--baseline", "before.json", "--json")
        finally:
            _run(conn, [case.undo for case in reversed(cases)])
    assert (weak.code, weak.reason) == (9, "security.weakened")
    found = {each["code"]: each["effect"] for each in weak.document["differences"]}
    assert {f"posture.{case.code}" for case in cases} <= set(found), found
    program.succeed("security", "baseline", source, "--out", "after.json")
    told = program.succeed("security", "diff", "before.json", "after.json", "--check", "--json").document
    assert (told["preserved"], told["differences"]) == (True, [])


def _run(conn: psycopg.Connection[tuple[object, ...]], texts: list[str]) -> None:
    for text in texts:
        for statement in text.split(" ;; "):
            conn.execute(statement.encode())
