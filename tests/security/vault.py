"""A database in which everything that security consists of is there once, and a way to look at it."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable

from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.security.read import read_security
from trimtab.security.snapshot import SecuritySnapshot

CANARY = "pgo-canary-7f3a"
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_level": "logical",
    "max_wal_senders": "4",
    "max_replication_slots": "4",
    "shared_preload_libraries": "pg_stat_statements",
    "autovacuum": "on",
    "log_statement": "ddl",
    "log_disconnections": "on",
    "log_connections": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_replication_commands": "on",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "on",
    "log_parameter_max_length_on_error": "0",
    "synchronous_standby_names": "",
}
NEWER_SETTINGS = {"allow_alter_system": "on", "restrict_nonsystem_relation_kind": "view", "scram_iterations": "4096"}
SUPERUSER_SCHEMA = f"""
CREATE ROLE keeper;
CREATE ROLE other;
CREATE ROLE app LOGIN CONNECTION LIMIT 5 VALID UNTIL '2030-01-01' PASSWORD '{CANARY}';
CREATE ROLE reader LOGIN;
CREATE ROLE weak NOLOGIN NOINHERIT;
ALTER ROLE reader SET default_transaction_read_only = on;
ALTER ROLE app SET default_transaction_isolation = 'serializable';
GRANT weak TO reader;
CREATE EXTENSION postgres_fdw;
GRANT ALL ON SCHEMA public TO keeper;
"""
SCHEMA = f"""
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, secret text, balance numeric CHECK (balance >= 0));
CREATE TABLE entry (id int PRIMARY KEY, account int REFERENCES account (id), note text, at tstzrange);
ALTER TABLE entry ADD CONSTRAINT entry_note CHECK (note <> '{CANARY}');
ALTER TABLE entry ADD CONSTRAINT entry_room EXCLUDE USING gist (at WITH &&);
CREATE TABLE spare (id int);
CREATE TABLE bare (id int);
CREATE TABLE part (id int) PARTITION BY LIST (id);
CREATE TABLE open_table (id int, label text);
CREATE UNIQUE INDEX account_owner ON account (owner);
CREATE UNIQUE INDEX entry_replica ON entry (id);
ALTER TABLE entry REPLICA IDENTITY USING INDEX entry_replica;
CREATE INDEX entry_plain ON entry (note) WHERE note = '{CANARY}';
COMMENT ON COLUMN account.secret IS 'PII: what nobody should see';
ALTER TABLE account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON account USING (owner = current_user);
CREATE POLICY never ON account AS RESTRICTIVE USING (secret <> '{CANARY}');
CREATE VIEW barrier WITH (security_barrier = true, security_invoker = true)
    AS SELECT id FROM open_table WHERE label <> '{CANARY}';
CREATE VIEW spelled WITH (security_barrier = 'TRUE', security_invoker = yes) AS SELECT id FROM open_table;
CREATE DOMAIN filled AS text NOT NULL DEFAULT '{CANARY}';
CREATE TABLE kept (id int GENERATED ALWAYS AS IDENTITY, who text DEFAULT current_user, twice int
    GENERATED ALWAYS AS (3) STORED);
CREATE SCHEMA aside;
CREATE FUNCTION strictly(a int DEFAULT 1) RETURNS int LANGUAGE sql STRICT AS 'SELECT $1';
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE VIEW checked AS SELECT id FROM open_table WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION guarded() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$SELECT '{CANARY}'$$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION audit() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE TRIGGER stamped BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER checked BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE EVENT TRIGGER audited ON ddl_command_start EXECUTE FUNCTION audit();
CREATE PUBLICATION feed FOR TABLE open_table WITH (publish = 'insert');
CREATE SUBSCRIPTION to_here CONNECTION 'dbname=x password={CANARY}' PUBLICATION p
    WITH (connect = false, enabled = false, slot_name = NONE);
GRANT SELECT ON open_table TO app;
REVOKE EXECUTE ON FUNCTION guarded() FROM PUBLIC;
ALTER DATABASE vault SET app.token = '{CANARY}';
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', dbname 'd');
CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS (user 'u', password '{CANARY}');
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TYPE closed AS (a int);
REVOKE USAGE ON TYPE closed FROM PUBLIC;
CREATE FUNCTION rank(mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION same(mood, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text = $2::text';
CREATE CAST (mood AS int) WITH FUNCTION rank(mood);
CREATE OPERATOR === (LEFTARG = mood, RIGHTARG = mood, FUNCTION = same);
CREATE OPERATOR FAMILY moods USING hash;
CREATE OPERATOR CLASS mood_hash FOR TYPE mood USING hash FAMILY moods AS OPERATOR 1 ===, FUNCTION 1 rank(mood);
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
CREATE COLLATION spoken (LOCALE = 'C');
CREATE CONVERSION turned FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY plainly (TEMPLATE = simple, ACCEPT = true);
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE FOREIGN TABLE far (id int) SERVER elsewhere OPTIONS (table_name '{CANARY}');
CREATE STATISTICS together (dependencies) ON id, label FROM open_table;
SELECT lo_create(4242);
"""
_INVOKER = re.compile(r", security_invoker = \w+")  # came with 15
_clock = itertools.count(1)


def schema(major: int) -> str:
    """Return the SQL of the database for a server of this version."""
    return SCHEMA if major >= 15 else _INVOKER.sub("", SCHEMA)


def look(conn: Connection) -> SecuritySnapshot:
    """Return what the connection's role sees now."""
    return read_security(conn, now_ns=lambda: next(_clock))


def look_anew(server: Server, *, user: str | None = None) -> SecuritySnapshot:
    """Return what a new session sees: settings of the server are in force in it."""
    dsn = server.dsn("vault") if user is None else server.dsn("vault", user=user)
    with connect(dsn, read_only=True) as conn:
        return look(conn)


def reloaded(server: Server, name: str, old: str | None) -> SecuritySnapshot:
    """Return what a new session sees as soon as the server has another value of the setting."""
    return look_until(server, lambda seen: seen.setting(name) != old)


def look_until(server: Server, is_there: Callable[[SecuritySnapshot], bool]) -> SecuritySnapshot:
    """Return what a new session sees as soon as it is so, or after ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        found = look_anew(server)
        if is_there(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)
