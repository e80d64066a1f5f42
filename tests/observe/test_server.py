from __future__ import annotations

from datetime import datetime

from trimtab.db.connection import Connection
from trimtab.observe.server import read_clock, read_scoped_settings, read_server, read_settable_scopes, read_settings


def test_the_server_is_known_by_version_database_and_role(conn: Connection, reader: Connection) -> None:
    owner, other = read_server(conn), read_server(reader)
    assert owner.version == conn.info.server_version
    assert (owner.database, owner.is_superuser, owner.is_standby) == ("postgres", True, False)
    assert (other.user, other.is_superuser) == ("reader", False)
    assert owner.system_identifier == other.system_identifier
    assert datetime.fromisoformat(owner.started_at) < datetime.fromisoformat(read_clock(conn))


def test_settings_may_be_set_for_what_the_role_is_or_administers(conn: Connection, reader: Connection) -> None:
    assert read_settable_scopes(reader) == {"role:reader"}
    assert {"database:postgres", "role:reader"} < read_settable_scopes(conn)
    assert read_server(reader).forbidden_tablespace is None


def test_a_revoked_right_on_the_identifier_leaves_it_out(owner: Connection, reader: Connection) -> None:
    owner.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC")
    try:
        assert read_server(reader).system_identifier is None
    finally:
        owner.execute("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC")


def test_planning_and_memory_settings_are_read_with_unit_and_origin(conn: Connection) -> None:
    settings = read_settings(conn)
    assert (settings["work_mem"].unit, settings["random_page_cost"].context) == ("kB", "user")
    expected = {
        "shared_buffers",
        "effective_cache_size",
        "enable_hashjoin",
        "default_statistics_target",
        "max_parallel_workers_per_gather",
        "max_worker_processes",
        "jit",
        "maintenance_work_mem",
        "hash_mem_multiplier",
        "from_collapse_limit",
        "autovacuum",
        "server_version",
    }
    assert expected <= settings.keys()
    assert settings["enable_hashjoin"].is_default


def test_scoped_settings_are_told_by_database_role_and_both(owner: Connection, reader: Connection) -> None:
    owner.execute("ALTER DATABASE postgres SET work_mem = '5MB'")
    owner.execute("ALTER ROLE reader SET random_page_cost = '1.5'")
    owner.execute("ALTER ROLE reader IN DATABASE postgres SET jit = off")
    owner.execute("ALTER ROLE reader SET app.secret = 'hidden'")
    try:
        found = read_scoped_settings(reader)
    finally:
        owner.execute("ALTER DATABASE postgres RESET ALL")
        owner.execute("ALTER ROLE reader RESET ALL")
        owner.execute("ALTER ROLE reader IN DATABASE postgres RESET ALL")
    assert found == {
        ("database:postgres", "work_mem"): "5MB",
        ("role:reader", "random_page_cost"): "1.5",
        ("role:reader@database:postgres", "jit"): "off",
    }
