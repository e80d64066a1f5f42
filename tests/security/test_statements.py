"""What is always blocked is refused before it is tried, by what its text says; what Trimtab does is not."""

from __future__ import annotations

import pytest

from trimtab.embedded.server import Server
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    RebuildIndex,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    fill,
    role_in_database,
)
from trimtab.security.catalogue import item
from trimtab.security.statements import UNKNOWN_STATEMENT, blocked_change, blocked_in

from .cases import AFTER_A_RESTART, OBJECTS, SYSTEM_SETTINGS, Case
from .vault import look_anew

IN_THE_CATALOG = ("index_unique", "index_replica_identity")  # the text of a DROP INDEX does not tell
CASES = [*(case for case in OBJECTS if case.code not in IN_THE_CATALOG), *SYSTEM_SETTINGS, *AFTER_A_RESTART]
OURS: list[Change] = [
    CreateIndex("public", "t", "i", "USING btree (a) INCLUDE (b) WHERE (c IS NOT NULL)", ("a",), ("b",)),
    DropIndex("public", "t", "i", "USING btree (a)", ("a",)),
    CreateStatistics("public", "t", "s", ("a", "b"), ("mcv",)),
    DropStatistics("public", "t", "s", ("a", "b"), ("mcv",)),
    SetStatisticsTarget("public", "t", "a", 500),
    SetDistinct("public", "t", "a", -0.5),
    SetDistinct("public", "t", "a", None),
    RebuildIndex("public", "t", "i", 1),
    SetSetting("database", "d", "work_mem", "8MB"),
    SetSetting("role", "r", "random_page_cost", None),
    SetSetting("role_in_database", role_in_database("r", "d"), "jit", "off"),
    SetSetting("function", '"public"."f"()', "enable_nestloop", "off"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.do[:40]}")
def test_what_weakens_is_refused_before_it_is_tried(case: Case) -> None:
    found = {code for statement in case.do.split(" ;; ") for code in blocked_in(statement)}
    assert found
    assert all(item(code).is_blocked or code == UNKNOWN_STATEMENT for code in found)


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("account_owner", ("posture.index_unique",)),
        ("entry_replica", ("posture.index_unique", "posture.index_replica_identity")),
        ("entry_room", ("posture.index_exclusion",)),
        ("entry_plain", ()),
        ("nowhere", ()),
    ],
)
def test_an_index_that_guards_something_is_never_dropped(name: str, codes: tuple[str, ...], server: Server) -> None:
    change = DropIndex("public", "entry", name, "USING btree (id)", ("id",))
    assert blocked_change(change, look_anew(server)) == codes


def test_settings_are_refused_by_the_code_that_they_would_be_caught_with() -> None:
    told = [(case.code, blocked_in(case.do)) for case in (*SYSTEM_SETTINGS, *AFTER_A_RESTART)]
    assert [(code, found) for code, found in told if found != (f"posture.{code}",)] == []


@pytest.mark.parametrize("change", OURS, ids=lambda change: change.sql()[:60])
def test_what_trimtab_does_is_allowed(change: Change) -> None:
    assert blocked_in(change.sql()) == ()
    assert blocked_in(fill(change) or "ANALYZE") == ()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "DO $$BEGIN END$$",
        "DROP TABLE t",
        "VACUUM FULL t; ALTER TABLE t DISABLE ROW LEVEL SECURITY",
        "no sql",
        ";;x",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    assert blocked_in(text)


def test_a_setting_that_is_never_changed_is_refused_for_whomever_it_is_set() -> None:
    for scope, name in (("database", "d"), ("role", "r"), ("function", '"public"."f"()')):
        change = SetSetting(scope, name, "session_replication_role", "replica")
        assert blocked_in(change.sql()) == ("posture.replication_role",)
