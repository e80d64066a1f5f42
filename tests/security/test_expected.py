"""A change declares what it brings about, and nothing else may stand that weakens or that nobody can tell."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    role_in_database,
)
from trimtab.security.difference import compare
from trimtab.security.expected import expected, undeclared
from trimtab.security.read import definition_digest
from trimtab.security.snapshot import Row, Rows, SecuritySnapshot

CREATE = CreateIndex("public", "t", "i", "USING btree (a)", ("a",))
DROP = DropIndex("public", "t", "i", "USING btree (a)", ("a",))
OTHERS: list[Change] = [
    CreateStatistics("public", "t", "s", ("a", "b"), ("mcv",)),
    DropStatistics("public", "t", "s", ("a", "b"), ("mcv",)),
    SetStatisticsTarget("public", "t", "a", 1),
    SetDistinct("public", "t", "a", 1.0),
    RestoreStatistics("public", "t", ("a",), "0", "0"),
    RebuildIndex("public", "t", "i", 1),
    LeaveIndex("public", "t", "i"),
]
INDEX: Row = {
    "table": '"public"."t"',
    "is_unique": False,
    "is_primary": False,
    "is_exclusion": False,
    "is_immediate": True,
    "is_replica_identity": False,
    "is_valid": True,
    "definition": definition_digest("USING btree (a)"),
}
KEY = '"public"."i"'
TABLE: Row = {"kind": "r", "row_security": True, "owner": "keeper"}
BASE = SecuritySnapshot(
    "d",
    1,
    "1",
    180006,
    "r",
    1,
    {
        "indexes": {},
        "relations": {'"public"."t"': TABLE},
        "role_settings": {},
        "settings": {"work_mem": {"value": "4096", "source": "default", "pending_restart": False}},
        "functions": {},
    },
)


def _with(section: str, rows: Rows) -> SecuritySnapshot:
    return replace(BASE, sections={**BASE.sections, section: rows})


def _undeclared(before: SecuritySnapshot, after: SecuritySnapshot, change: Change) -> list[str]:
    return [each.code for each in undeclared(compare(before, after), change)]


def test_every_kind_of_change_declares_something_or_nothing() -> None:
    kinds = {type(change) for change in (CREATE, DROP, SetSetting("role", "r", "jit", "off"), *OTHERS)}
    assert kinds == set(get_args(Change))
    assert all(expected(change) == () for change in OTHERS)


def test_the_index_that_was_to_be_made_is_declared_however_it_is_written() -> None:
    after = _with("indexes", {KEY: INDEX})
    assert _undeclared(BASE, after, CREATE) == []
    assert _undeclared(BASE, after, replace(CREATE, tail='USING btree ("a" ASC)')) == []
    assert _undeclared(after, BASE, DROP) == []


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("table", '"public"."other"'),
        ("is_unique", True),
        ("is_replica_identity", True),
        ("is_valid", False),
        ("definition", definition_digest("USING btree (b)")),
    ],
)
def test_an_index_that_is_anything_else_is_not(attribute: str, value: str | bool) -> None:
    after = _with("indexes", {KEY: {**INDEX, attribute: value}})
    assert _undeclared(BASE, after, CREATE) == ["posture.index"]


def test_what_is_always_blocked_cannot_be_declared() -> None:
    before = _with("indexes", {KEY: {**INDEX, "is_unique": True}})
    assert _undeclared(before, BASE, DROP) == ["posture.index_unique"]
    scoped: Row = {"setting": "fsync", "value": "off"}
    after = _with("role_settings", {'""."d"."fsync"': scoped})
    assert _undeclared(BASE, after, SetSetting("database", "d", "fsync", "off")) == ["posture.fsync"]


@pytest.mark.parametrize("change", [CREATE, DROP, *OTHERS], ids=lambda change: str(change.kind))
def test_anything_at_the_table_that_it_touches_is_undeclared(change: Change) -> None:
    after = _with("relations", {'"public"."t"': {**TABLE, "row_security": False}})
    assert _undeclared(BASE, after, change) == ["posture.row_level_security"]
    assert _undeclared(after, BASE, change) == ["posture.row_level_security"], "however much better it is"


@pytest.mark.parametrize("change", OTHERS, ids=lambda change: str(change.kind))
def test_what_somebody_else_does_at_the_same_time_stands_where_it_is_neutral(change: Change) -> None:
    table: Row = {"kind": "r", "row_security": False, "owner": "keeper"}
    after = _with("relations", {**BASE.rows("relations"), '"public"."new"': table})
    assert _undeclared(BASE, after, change) == []
    gone = _with("indexes", {'"public"."theirs"': {**INDEX, "is_unique": True}})
    assert _undeclared(gone, BASE, change) == ["posture.index_unique"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (SetSetting("database", "d", "work_mem", "8MB"), '""."d"."work_mem"'),
        (SetSetting("role", "a", "work_mem", "8MB"), '"a".""."work_mem"'),
        (SetSetting("role_in_database", role_in_database("a", "d"), "work_mem", "8MB"), '"a"."d"."work_mem"'),
    ],
)
def test_a_setting_declares_its_own_row_and_its_own_value(change: SetSetting, key: str) -> None:
    held: Row = {"setting": "work_mem", "value": "8MB"}
    after = _with("role_settings", {key: held})
    assert _undeclared(BASE, after, change) == []
    assert _undeclared(after, BASE, replace(change, value=None)) == []
    assert _undeclared(_with("role_settings", {key: {**held, "value": "1MB"}}), after, change) == []
    assert _undeclared(BASE, _with("role_settings", {key: {**held, "value": "9MB"}}), change) == ["posture.setting"]
    elsewhere: Row = {"setting": "row_security", "value": "off"}
    assert _undeclared(BASE, _with("role_settings", {key: held, "x": elsewhere}), change) == ["posture.row_security"]


def test_a_setting_of_a_function_declares_that_and_no_other() -> None:
    change = SetSetting("function", '"public"."f"()', "jit", "off")
    function: Row = {"kind": "f", "security_definer": False, "settings": ()}
    before = _with("functions", {change.scope_name: function})
    after = _with("functions", {change.scope_name: {**function, "settings": ("jit=0f",)}})
    other = _with("functions", {change.scope_name: {**function, "settings": ("jit=0f", "row_security=1a")}})
    assert _undeclared(before, other, change) == ["posture.function_setting"]
    assert _undeclared(before, after, change) == []
    assert _undeclared(after, before, replace(change, value=None)) == []
