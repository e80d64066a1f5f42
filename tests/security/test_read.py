"""Claims about the snapshot: it is canonical, holds no secret, and says what it could not see."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.definitions import is_plain
from trimtab.embedded.server import Server
from trimtab.security.difference import Effect, compare
from trimtab.security.read import definition_digest, read_security
from trimtab.security.rules import RULES
from trimtab.security.sections import SECTIONS
from trimtab.security.snapshot import snapshot_from_dict, snapshot_to_dict

from .vault import CANARY, look, look_anew


def test_the_same_security_has_the_same_digest_and_no_difference(conn: Connection, any_server: Server) -> None:
    first, second = look(conn), look_anew(any_server)
    assert first.digest == second.digest
    assert first.taken_at_ns != second.taken_at_ns
    assert compare(first, second) == ()


def test_every_section_that_the_version_has_is_read_by_a_superuser(conn: Connection) -> None:
    seen = look(conn)
    expected = {
        section.name
        for section in SECTIONS
        if any(since <= seen.version for since in queries._variants()[section.query])
    }
    assert set(seen.sections) == expected
    assert seen.unreadable == {}
    for name in ("policies", "functions", "triggers", "indexes", "hba", "publications", "subscriptions", "grants"):
        assert seen.rows(name), name


def test_what_a_role_may_not_read_is_named_and_not_left_out(any_server: Server) -> None:
    seen, whole = look_anew(any_server, user="reader"), look_anew(any_server)
    assert {"file_settings", "passwords", "hba", "settings"} <= set(seen.unreadable)
    assert set(seen.sections) == (set(whole.sections) - set(seen.unreadable)) | {"settings"}
    assert "pg_read_all_settings" in seen.unreadable["settings"]


def test_what_cannot_be_read_any_more_counts_as_weakened(any_server: Server) -> None:
    found = compare(look_anew(any_server), look_anew(any_server, user="reader"))
    unreadable = {each.section for each in found if each.effect is Effect.UNKNOWN}
    assert {"file_settings", "passwords", "hba", "settings"} <= unreadable
    weakened = {each.code for each in found if each.effect.counts_as_weakened}
    assert weakened == {"posture.unreadable", "posture.user_mapping"}  # whose options another role may not see


def test_no_literal_and_no_secret_is_in_a_snapshot(conn: Connection) -> None:
    seen = look(conn)
    assert CANARY not in json.dumps(snapshot_to_dict(seen))
    value = seen.rows("role_settings")['""."vault"."app.token"']["value"]
    assert isinstance(value, str)
    assert value.startswith("sha256:")


def test_of_connection_strings_and_options_only_digests_and_names_are_kept(conn: Connection) -> None:
    seen = look(conn)
    assert seen.rows("user_mappings")['"elsewhere"."app"']["options"] == ("password", "user")
    assert "conninfo" not in str(seen.rows("subscriptions"))


def test_a_snapshot_is_the_same_after_it_was_written_and_read(conn: Connection) -> None:
    seen = look(conn)
    again = snapshot_from_dict(json.loads(json.dumps(snapshot_to_dict(seen))))
    assert again == seen
    assert again.digest == seen.digest


def test_the_session_is_as_it_was_afterwards_and_reads_only(any_server: Server) -> None:
    with psycopg.connect(any_server.dsn("vault"), autocommit=True, cursor_factory=psycopg.RawCursor) as conn:
        conn.execute("SET search_path = public")
        conn.execute("SET datestyle = 'SQL, DMY'")
        read_security(conn, now_ns=lambda: 1)
        assert conn.info.transaction_status == TransactionStatus.IDLE
        assert conn.execute("SHOW search_path").fetchone() == ("public",)
        assert conn.execute("SHOW datestyle").fetchone() == ("SQL, DMY",)


def test_what_a_policy_reads_does_not_depend_on_the_session(any_server: Server) -> None:
    whole = look_anew(any_server)
    with psycopg.connect(any_server.dsn("vault"), autocommit=True, cursor_factory=psycopg.RawCursor) as conn:
        conn.execute("SET search_path = nowhere")
        conn.execute("SET quote_all_identifiers = on")
        assert look(conn).rows("policies") == whole.rows("policies")


def test_every_section_has_a_rule_and_every_rule_a_section() -> None:
    assert {section.name for section in SECTIONS} == set(RULES)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('USING btree ("note")', "USING btree (note)"),
        ("USING btree (note ASC NULLS LAST)", "USING btree (note)"),
        ('USING btree ("note", id) INCLUDE ("b")', "USING btree (note, id) INCLUDE (b)"),
        ('USING gin ("note")', "USING gin (note)"),
        ('USING btree ("note" DESC) WITH (fillfactor = 70)', "USING btree (note DESC) WITH (fillfactor='70')"),
    ],
)
def test_the_same_index_has_the_same_digest_however_it_is_written(written: str, shown: str) -> None:
    assert definition_digest(written) == definition_digest(shown)
    assert definition_digest(written) != definition_digest("USING btree (other)")
    assert is_plain(written)


@pytest.mark.parametrize(
    "tail", ["USING btree (lower(note))", "USING btree (note) WHERE (id > 3)", "USING gin (note sql"]
)
def test_what_is_more_than_columns_has_the_digest_of_its_text(tail: str) -> None:
    assert not is_plain(tail)
    assert definition_digest(tail) != definition_digest(tail.replace("note", "other"))
    assert definition_digest(tail) == definition_digest(tail)


def test_no_query_of_the_security_reads_what_a_subscription_connects_with() -> None:
    directory = Path(queries.__file__).parent / "queries"
    texts = [path.read_text("utf-8") for path in directory.glob("security_*.sql")]
    assert texts
    assert not any("subconninfo" in text for text in texts)


def test_what_a_deployment_makes_meanwhile_is_neutral(conn: Connection) -> None:
    conn.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    before = look(conn)
    conn.execute("BEGIN")
    for statement in (
        'CREATE TABLE "New ""one" (id serial PRIMARY KEY, label text NOT NULL UNIQUE, account int REFERENCES account)',
        'GRANT SELECT ON "New ""one" TO app',
        'CREATE INDEX ON "New ""one" (label)',
        "CREATE FUNCTION newer(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        'CREATE TRIGGER stamped BEFORE INSERT ON "New ""one" FOR EACH ROW EXECUTE FUNCTION stamp()',
        "CREATE TEMP TABLE passing (id int PRIMARY KEY CHECK (id > 0))",
        "CREATE VIEW newest AS SELECT id FROM open_table",
    ):
        conn.execute(statement.encode())
    made = compare(before, look(conn))
    conn.execute("ROLLBACK")
    conn.execute("DROP PUBLICATION everything")
    assert made
    assert [(each.code, each.path) for each in made if each.effect.counts_as_weakened] == []


def test_a_role_sees_as_much_more_as_the_document_grants_it(any_server: Server) -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
    grants = [line.replace("trimtab_monitor", "reader") for line in text.splitlines() if line.startswith("GRANT ")]
    assert len(grants) == 2
    with psycopg.connect(any_server.dsn("vault"), autocommit=True) as conn:
        try:
            for statement in (*grants, "GRANT pg_monitor TO reader"):
                conn.execute(statement.encode())
            seen = look_anew(any_server, user="reader")
        finally:
            for statement in (*grants, "GRANT pg_monitor TO reader"):
                conn.execute(statement.replace("GRANT", "REVOKE").replace(" TO reader", " FROM reader").encode())
    assert set(seen.unreadable) == {"passwords"}
    assert seen.rows("hba") == look_anew(any_server).rows("hba")


def test_what_is_made_and_moved_in_the_open_is_no_weakening(conn: Connection) -> None:
    """A new table with its own grants, a partition made as one, a new column's default, another name: all neutral."""
    conn.execute(b"CREATE TABLE moving (id int PRIMARY KEY)")
    before = look(conn)
    for statement in (
        b"CREATE SCHEMA fresh",
        b"CREATE TABLE fresh.table_of_its_own (id int)",
        b"GRANT SELECT ON fresh.table_of_its_own TO app",
        b"CREATE TABLE part_of_it PARTITION OF part FOR VALUES IN (7)",
        b"ALTER TABLE moving ADD COLUMN since timestamptz DEFAULT now()",
        b"CREATE VIEW its_own WITH (security_invoker = true) AS SELECT 1 AS one"
        if conn.info.server_version >= 150000
        else b"CREATE VIEW its_own AS SELECT 1 AS one",
        b"ALTER TABLE moving RENAME TO moved",
    ):
        conn.execute(statement)
    found = compare(before, look(conn))
    for statement in (
        b"DROP SCHEMA fresh CASCADE",
        b"DROP TABLE part_of_it, moved",
        b"DROP VIEW its_own",
    ):
        conn.execute(statement)
    assert [(each.code, each.path) for each in found if each.effect.counts_as_weakened] == [], found


def test_a_table_that_was_dropped_and_made_again_as_it_was_is_no_difference(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE again (id int)")
    before = look(conn)
    conn.execute(b"DROP TABLE again")
    conn.execute(b"CREATE TABLE again (id int)")
    found = compare(before, look(conn))
    conn.execute(b"DROP TABLE again")
    assert found == ()


def test_a_database_that_is_made_as_all_are_is_neutral(any_server: Server, conn: Connection) -> None:
    before = look(conn)
    with psycopg.connect(any_server.dsn(), autocommit=True) as other:
        other.execute("CREATE DATABASE made_meanwhile")
        found = compare(before, look(conn))
        other.execute("GRANT CREATE ON DATABASE made_meanwhile TO PUBLIC")
        worse = compare(before, look(conn))
        other.execute("DROP DATABASE made_meanwhile")
    assert {each.effect.value for each in found} == {"neutral"}
    assert "posture.grant_public" in {each.code for each in worse if each.effect.counts_as_weakened}
