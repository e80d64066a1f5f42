"""Every weakening that is really made on a server is caught, by a reason code of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from trimtab.embedded.server import Server
from trimtab.security.catalogue import ITEMS, item
from trimtab.security.difference import compare, counted_as_weakened
from trimtab.security.snapshot import Attribute, SecuritySnapshot

from .cases import AFTER_A_RESTART, EDITED, HBA, OBJECTS, OPENSSL, SYSTEM_SETTINGS, Case
from .vault import look_anew, look_until, reloaded

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def superuser(server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with closing(psycopg.connect(server.dsn("vault"), autocommit=True)) as conn:
        conn.execute("SET allow_system_table_mods = on")
        yield conn


@pytest.fixture(scope="module")
def untouched(server: Server) -> SecuritySnapshot:
    """How it is before each case of the catalog: every one of them sees to it that it is so again."""
    return look_anew(server)


def _run(conn: psycopg.Connection[tuple[object, ...]], text: str) -> None:
    for statement in text.split(" ;; "):
        conn.execute(statement.encode())


@pytest.mark.parametrize("case", OBJECTS, ids=lambda case: f"{case.code}-{case.do[:40]}")
def test_what_is_weakened_in_the_catalog_is_caught(
    case: Case, server: Server, superuser: psycopg.Connection[tuple[object, ...]], untouched: SecuritySnapshot
) -> None:
    _run(superuser, case.do)
    try:
        after = look_anew(server)
    finally:
        _run(superuser, case.undo)
    _caught(case, untouched, after)
    assert compare(untouched, look_anew(server)) == (), "the case was not undone"


@pytest.mark.parametrize("case", SYSTEM_SETTINGS, ids=lambda case: f"{case.code}-{case.setting}")
def test_a_setting_that_is_weakened_is_caught_as_it_is_in_force(
    case: Case, server: Server, superuser: psycopg.Connection[tuple[object, ...]]
) -> None:
    assert case.setting is not None
    before = look_anew(server)
    _run(superuser, f"{case.do} ;; SELECT pg_reload_conf()")
    try:
        after = reloaded(server, case.setting, before.setting(case.setting))
    finally:
        _run(superuser, f"{case.undo} ;; SELECT pg_reload_conf()")
    _caught(case, before, after, f"settings[{case.setting}].value")
    reloaded(server, case.setting, after.setting(case.setting))


@pytest.mark.parametrize("case", AFTER_A_RESTART, ids=lambda case: f"{case.code}-{case.setting}")
def test_a_setting_that_waits_for_a_restart_is_caught_before_it(
    case: Case, server: Server, superuser: psycopg.Connection[tuple[object, ...]]
) -> None:
    before = look_anew(server)
    _run(superuser, case.do)
    try:
        after = look_anew(server)
    finally:
        _run(superuser, case.undo)
    _caught(case, before, after)


def _caught(case: Case, before: SecuritySnapshot, after: SecuritySnapshot, path: str = "") -> None:
    found = counted_as_weakened(compare(before, after))
    mine = [each for each in found if each.code == f"posture.{case.code}" and each.path.startswith(path)]
    assert mine, [(each.code, each.path) for each in found]
    assert case.effect in {each.effect.value for each in mine}


@pytest.mark.parametrize(("code", "first", "replaced"), HBA)
def test_a_rule_of_who_may_come_in_that_weakens_is_caught(
    code: str, first: str | None, replaced: tuple[str, str] | None, server: Server
) -> None:
    file = server.data_directory / "pg_hba.conf"
    held = file.read_text()
    guarded = held + "host all all 10.9.0.0/16 reject\nhost all app 10.7.0.0/16 md5\nhost all app 10.8.0.0/16 ident\n"
    try:
        file.write_text(guarded)
        before = look_anew(server)
        file.write_text(guarded.replace(*replaced) if replaced is not None else f"{first}\n{guarded}")
        after = look_anew(server)
    finally:
        file.write_text(held)
    found = counted_as_weakened(compare(before, after))
    assert f"posture.{code}" in {each.code for each in found}


def test_a_new_user_of_the_system_that_may_be_a_role_is_caught(server: Server) -> None:
    file = server.data_directory / "pg_ident.conf"
    held, before = file.read_text(), look_anew(server)
    try:
        file.write_text(f"{held}\nlocal nobody app\n")
        found = counted_as_weakened(compare(before, look_anew(server)))
    finally:
        file.write_text(held)
    assert [each.code for each in found] == ["posture.ident_map"]


def test_a_setting_that_waits_for_a_restart_says_so(
    server: Server, superuser: psycopg.Connection[tuple[object, ...]]
) -> None:
    before = look_anew(server)
    _run(superuser, "ALTER SYSTEM SET wal_level = replica ;; SELECT pg_reload_conf()")
    try:
        after = look_until(
            server, lambda seen: (seen.row("settings", "wal_level") or {}).get("pending_restart") is True
        )
    finally:
        _run(superuser, "ALTER SYSTEM RESET wal_level ;; SELECT pg_reload_conf()")
    found = {each.code for each in counted_as_weakened(compare(before, after))}
    assert found == {"posture.pending_restart", "posture.wal_level"}
    look_until(server, lambda seen: (seen.row("settings", "wal_level") or {}).get("pending_restart") is False)


def test_the_old_view_of_extended_statistics_is_caught(
    server: Server, superuser: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Before the fix of CVE-2024-4317 it asked for the columns' rights and not for the table's."""
    before = look_anew(server)
    row = superuser.execute("SELECT pg_get_viewdef('pg_stats_ext'::regclass)").fetchone()
    assert row is not None
    held = str(row[0])
    _run(
        superuser, "CREATE OR REPLACE VIEW pg_catalog.pg_stats_ext AS " + re.sub(r"pg_has_role\([^()]*\)", "true", held)
    )
    try:
        found = counted_as_weakened(compare(before, look_anew(server)))
    finally:
        _run(superuser, f"CREATE OR REPLACE VIEW pg_catalog.pg_stats_ext WITH (security_barrier) AS {held}")
    codes = {"posture.statistics_view", "posture.view_definition", "posture.view_barrier"}
    assert {each.code for each in found} == codes


@pytest.mark.system_postgres
@pytest.mark.parametrize(("code", "name", "value"), OPENSSL)
def test_a_setting_of_another_version_or_build_is_caught(
    code: str, name: str, value: str, older_server: Server
) -> None:
    with closing(psycopg.connect(older_server.dsn("vault"), autocommit=True)) as conn:
        before = look_anew(older_server)
        if before.setting(name) is None:
            pytest.skip(f"this PostgreSQL has no {name}")
        conn.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        try:
            after = look_anew(older_server)
        finally:
            conn.execute(f"ALTER SYSTEM RESET {name}".encode())
    assert f"posture.{code}" in {each.code for each in counted_as_weakened(compare(before, after))}


@pytest.mark.parametrize(("code", "section", "key", "attribute", "old", "new"), EDITED)
def test_what_cannot_be_made_here_is_caught_in_a_snapshot(
    code: str, section: str, key: str, attribute: str, old: Attribute, new: Attribute, server: Server
) -> None:
    seen = look_anew(server)

    def with_value(value: Attribute) -> SecuritySnapshot:
        row = {**(seen.row(section, key) or {}), attribute: value}
        return replace(seen, sections={**seen.sections, section: {**seen.rows(section), key: row}})

    [found] = counted_as_weakened(compare(with_value(old), with_value(new)))
    assert found.code == f"posture.{code}"


def _made() -> set[str]:
    return {case.code for case in (*OBJECTS, *SYSTEM_SETTINGS, *AFTER_A_RESTART)} | {
        *(code for code, *_ in (*HBA, *OPENSSL)),
        *("ident_map", "pending_restart", "statistics_view"),
    }


def test_there_are_sixty_weakenings_and_more_really_made_each_with_its_own_code() -> None:
    assert len(_made()) >= 60
    assert all(item(f"posture.{code}").is_blocked for code in _made())


def test_every_item_that_is_blocked_is_weakened_here() -> None:
    codes = {f"posture.{code}" for code in _made() | {code for code, *_ in EDITED}}
    assert {each.code for each in ITEMS if each.is_blocked} == codes
