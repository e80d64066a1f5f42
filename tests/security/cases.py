"""The weakenings that are made: what weakens, what takes it back, and the reason code that it must have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """What weakens, what takes it back, and the code that it must have; `effect` is one of those that count."""

    code: str
    do: str
    undo: str
    effect: str = "weakened"

    @property
    def setting(self) -> str | None:
        """The setting that is to be another one after a reload."""
        words = self.do.split()
        return words[3] if self.do.startswith("ALTER SYSTEM SET") else None


def _system(code: str, name: str, value: str, effect: str = "weakened") -> Case:
    return Case(code, f"ALTER SYSTEM SET {name} = {value}", f"ALTER SYSTEM RESET {name}", effect)


UNKNOWN = "unknown"
SYSTEM_SETTINGS = [
    _system("fsync", "fsync", "off"),
    _system("fsync", "wal_sync_method", "open_datasync", UNKNOWN),
    _system("standby", "max_slot_wal_keep_size", "'1GB'"),
    _system("standby", "idle_replication_slot_timeout", "'1min'"),
    _system("full_page_writes", "full_page_writes", "off"),
    _system("synchronous_commit", "synchronous_commit", "off"),
    _system("restart_after_crash", "restart_after_crash", "off"),
    _system("checksum_failures", "ignore_checksum_failure", "on"),
    _system("damaged_pages", "zero_damaged_pages", "on"),
    _system("system_tables", "allow_in_place_tablespaces", "on"),
    _system("replication_role", "session_replication_role", "replica"),
    _system("function_checks", "check_function_bodies", "off"),
    _system("autovacuum", "autovacuum", "off"),
    _system("row_security", "row_security", "off", UNKNOWN),
    _system("search_path", "search_path", "public", UNKNOWN),
    _system("tls_version", "ssl_max_protocol_version", "'TLSv1.2'"),
    _system("tls_certificates", "ssl_crl_dir", "'elsewhere'", UNKNOWN),
    _system("gss", "krb_caseins_users", "on", UNKNOWN),
    _system("password_hashing", "password_encryption", "md5"),
    _system("scram_iterations", "scram_iterations", "1024"),
    _system("authentication_timeout", "authentication_timeout", "'10min'"),
    _system("large_objects", "lo_compat_privileges", "on"),
    _system("string_escapes", "backslash_quote", "on"),
    _system("createrole_self_grant", "createrole_self_grant", "'set, inherit'"),
    _system("library_path", "dynamic_library_path", "'/elsewhere'", UNKNOWN),
    _system("log_destination", "log_destination", "syslog"),
    _system("log_files", "log_filename", "'x.log'", UNKNOWN),
    _system("log_file_mode", "log_file_mode", "'0644'"),
    _system("log_disconnections", "log_disconnections", "off"),
    _system("log_statement", "log_statement", "none"),
    _system("log_errors", "log_min_messages", "panic"),
    _system("log_line_prefix", "log_line_prefix", "'%m '", UNKNOWN),
    _system("log_replication", "log_replication_commands", "off"),
    _system("log_duration", "log_min_duration_statement", "'-1'"),
    _system("log_events", "log_lock_waits", "off"),
    _system("log_parameters", "log_parameter_max_length_on_error", "'-1'"),
    _system("debug_print", "debug_print_parse", "on"),
    _system("syslog", "syslog_ident", "'x'", UNKNOWN),
    _system("statement_statistics", "track_activities", "off"),
    _system("event_triggers", "event_triggers", "off"),
    _system("log_connections", "log_connections", "''"),
    _system("md5_warnings", "md5_password_warnings", "off"),
    _system("nonsystem_relations", "restrict_nonsystem_relation_kind", "''"),
    _system("debug", "debug_pretty_print", "off", UNKNOWN),
    _system("setting_guarded", "vacuum_failsafe_age", "100", UNKNOWN),
    _system("standby", "recovery_min_apply_delay", "'1h'", UNKNOWN),
]
AFTER_A_RESTART = [  # pg_file_settings tells of them at once, and the server after a restart
    _system("wal_level", "wal_level", "replica"),
    _system("system_indexes", "ignore_system_indexes", "on"),
    _system("oauth", "oauth_validator_libraries", "'x'", UNKNOWN),
    _system("unix_socket", "unix_socket_directories", "'/elsewhere'"),
    _system("archiving", "archive_cleanup_command", "'x'", UNKNOWN),
    _system("data_sync_retry", "data_sync_retry", "on"),
    _system("invalid_pages", "ignore_invalid_pages", "on"),
    _system("listen_addresses", "listen_addresses", "'*'"),
    _system("hba_file", "hba_file", "'/elsewhere'", UNKNOWN),
    _system("preload_libraries", "shared_preload_libraries", "''"),
    _system("reserved_connections", "superuser_reserved_connections", "0"),
]
OBJECTS = [
    Case(
        "read_only", "ALTER ROLE reader RESET ALL", "ALTER ROLE reader SET default_transaction_read_only = on", UNKNOWN
    ),
    Case(
        "isolation",
        "ALTER ROLE app SET default_transaction_isolation = 'read committed'",
        "ALTER ROLE app SET default_transaction_isolation = 'serializable'",
    ),
    Case("pgaudit", "ALTER ROLE app SET pgaudit.log = 'none'", "ALTER ROLE app RESET pgaudit.log", UNKNOWN),
    Case(
        "view_invoker",
        "ALTER VIEW barrier RESET (security_invoker)",
        "ALTER VIEW barrier SET (security_invoker = true)",
    ),
    Case(
        "function_path",
        "ALTER FUNCTION stamp() SET search_path = public",
        "ALTER FUNCTION stamp() SET search_path = pg_catalog",
        UNKNOWN,
    ),
    Case("membership_admin", "GRANT weak TO reader WITH ADMIN OPTION", "REVOKE ADMIN OPTION FOR weak FROM reader"),
    Case(
        "extension_version",
        "UPDATE pg_extension SET extversion = '0' WHERE extname = 'postgres_fdw'",
        "UPDATE pg_extension SET extversion = '1.2' WHERE extname = 'postgres_fdw'",
        UNKNOWN,
    ),
    Case(
        "publication_all_tables",
        "UPDATE pg_publication SET puballtables = true",
        "UPDATE pg_publication SET puballtables = false",
    ),
    Case(
        "subscription_password",
        "ALTER SUBSCRIPTION to_here SET (password_required = false)",
        "ALTER SUBSCRIPTION to_here SET (password_required = true)",
    ),
    Case(
        "subscription_rights",
        "ALTER SUBSCRIPTION to_here SET (run_as_owner = true)",
        "ALTER SUBSCRIPTION to_here SET (run_as_owner = false)",
    ),
    Case(
        "custom_setting",
        "ALTER ROLE app SET app.tenant = '1'",
        "ALTER ROLE app RESET app.tenant",
        UNKNOWN,
    ),
    Case(
        "row_level_security",
        "ALTER TABLE account DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE account ENABLE ROW LEVEL SECURITY",
    ),
    Case(
        "row_level_security_forced",
        "ALTER TABLE account NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE account FORCE ROW LEVEL SECURITY",
    ),
    Case("policy", "CREATE POLICY everybody ON account USING (true)", "DROP POLICY everybody ON account"),
    Case(
        "policy_changed",
        "ALTER POLICY own ON account USING (true)",
        "ALTER POLICY own ON account USING (owner = current_user)",
        UNKNOWN,
    ),
    Case(
        "policy_kind",
        "DROP POLICY never ON account ;; CREATE POLICY never ON account USING (secret <> 'pgo-canary-7f3a')",
        "DROP POLICY never ON account ;;"
        " CREATE POLICY never ON account AS RESTRICTIVE USING (secret <> 'pgo-canary-7f3a')",
    ),
    Case("policy_roles", "ALTER POLICY never ON account TO app", "ALTER POLICY never ON account TO PUBLIC"),
    Case(
        "view_barrier",
        "ALTER VIEW barrier SET (security_barrier = false)",
        "ALTER VIEW barrier SET (security_barrier = true)",
    ),
    Case(
        "view_check_option", "ALTER VIEW checked RESET (check_option)", "ALTER VIEW checked SET (check_option = local)"
    ),
    Case(
        "view_definition",
        "CREATE OR REPLACE VIEW checked AS SELECT id FROM open_table WITH LOCAL CHECK OPTION",
        "CREATE OR REPLACE VIEW checked AS SELECT id FROM open_table WHERE id > 0 WITH LOCAL CHECK OPTION",
        UNKNOWN,
    ),
    Case("view_over_row_security", "CREATE VIEW through AS SELECT * FROM account", "DROP VIEW through"),
    Case(
        "matview_over_row_security",
        "CREATE MATERIALIZED VIEW copy AS SELECT id FROM account",
        "DROP MATERIALIZED VIEW copy",
    ),
    Case(
        "view_barrier",
        "ALTER VIEW spelled RESET (security_barrier)",
        "ALTER VIEW spelled SET (security_barrier = 'TRUE')",
    ),
    Case(
        "view_invoker",
        "ALTER VIEW spelled SET (security_invoker = 'F')",
        "ALTER VIEW spelled SET (security_invoker = yes)",
    ),
    Case(
        "view_as_owner",
        "CREATE VIEW leak AS SELECT rolpassword FROM pg_authid ;; GRANT SELECT ON leak TO app",
        "DROP VIEW leak",
        UNKNOWN,
    ),
    Case(
        "view_as_owner",
        "CREATE MATERIALIZED VIEW leak AS SELECT * FROM spare ;; GRANT SELECT (id) ON leak TO app",
        "DROP MATERIALIZED VIEW leak",
        UNKNOWN,
    ),
    Case("inheritance", "ALTER TABLE spare INHERIT bare", "ALTER TABLE spare NO INHERIT bare", UNKNOWN),
    Case(
        "inheritance",
        "ALTER TABLE part ATTACH PARTITION spare FOR VALUES IN (1)",
        "ALTER TABLE part DETACH PARTITION spare",
        UNKNOWN,
    ),
    Case(
        "grant_default",
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    ),
    Case(
        "row_level_security",
        "ALTER TABLE account SET SCHEMA aside ;; ALTER TABLE aside.account DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE aside.account ENABLE ROW LEVEL SECURITY ;; ALTER TABLE aside.account SET SCHEMA public",
    ),
    Case(
        "policy",
        "ALTER TABLE account RENAME TO moved ;; CREATE POLICY everybody ON moved USING (true)",
        "DROP POLICY everybody ON moved ;; ALTER TABLE moved RENAME TO account",
    ),
    Case(
        "grant_column",
        "ALTER TABLE open_table RENAME TO moved ;; GRANT UPDATE (label) ON moved TO app",
        "REVOKE UPDATE (label) ON moved FROM app ;; ALTER TABLE moved RENAME TO open_table",
    ),
    Case(
        "grant",
        "ALTER SCHEMA aside RENAME TO away ;; GRANT USAGE ON SCHEMA away TO app",
        "REVOKE ALL ON SCHEMA away FROM app ;; ALTER SCHEMA away RENAME TO aside"
        " ;; UPDATE pg_namespace SET nspacl = NULL WHERE nspname = 'aside'",
    ),
    Case(
        "index_unique",
        "ALTER TABLE account SET SCHEMA aside ;; DROP INDEX aside.account_owner",
        "CREATE UNIQUE INDEX account_owner ON aside.account (owner) ;; ALTER TABLE aside.account SET SCHEMA public",
    ),
    Case("not_null", "ALTER DOMAIN filled DROP NOT NULL", "ALTER DOMAIN filled SET NOT NULL"),
    Case(
        "column_default",
        "ALTER DOMAIN filled DROP DEFAULT",
        "ALTER DOMAIN filled SET DEFAULT 'pgo-canary-7f3a'",
        UNKNOWN,
    ),
    Case(
        "column_default",
        "ALTER TABLE kept ALTER who DROP DEFAULT",
        "ALTER TABLE kept ALTER who SET DEFAULT current_user",
        UNKNOWN,
    ),
    Case(
        "column_default",
        "ALTER TABLE kept ALTER id SET GENERATED BY DEFAULT",
        "ALTER TABLE kept ALTER id SET GENERATED ALWAYS",
        UNKNOWN,
    ),
    Case(
        "column_default",
        "ALTER TABLE spare ALTER id SET DEFAULT 1",
        "ALTER TABLE spare ALTER id DROP DEFAULT",
        UNKNOWN,
    ),
    Case(
        "function_strict",
        "ALTER FUNCTION strictly(int) CALLED ON NULL INPUT",
        "ALTER FUNCTION strictly(int) STRICT",
        UNKNOWN,
    ),
    Case(
        "function_arguments",
        "CREATE OR REPLACE FUNCTION strictly(a int DEFAULT 666) RETURNS int LANGUAGE sql STRICT AS 'SELECT $1'",
        "CREATE OR REPLACE FUNCTION strictly(a int DEFAULT 1) RETURNS int LANGUAGE sql STRICT AS 'SELECT $1'",
        UNKNOWN,
    ),
    Case(
        "system_function",
        "UPDATE pg_proc SET prosrc = 'upper' WHERE oid = 'pg_catalog.lower(text)'::regprocedure",
        "UPDATE pg_proc SET prosrc = 'lower' WHERE oid = 'pg_catalog.lower(text)'::regprocedure",
        UNKNOWN,
    ),
    Case("leakproof", "ALTER FUNCTION plain(int) LEAKPROOF", "ALTER FUNCTION plain(int) NOT LEAKPROOF"),
    Case(
        "leakproof",
        "ALTER FUNCTION pg_catalog.textlike(text, text) LEAKPROOF",
        "ALTER FUNCTION pg_catalog.textlike(text, text) NOT LEAKPROOF",
    ),
    Case(
        "definer",
        "ALTER FUNCTION plain(int) SECURITY DEFINER SET search_path = pg_catalog",
        "ALTER FUNCTION plain(int) SECURITY INVOKER RESET search_path",
        UNKNOWN,
    ),
    Case(
        "definer_path",
        "ALTER FUNCTION guarded() RESET search_path",
        "ALTER FUNCTION guarded() SET search_path = pg_catalog",
    ),
    Case(
        "definer_path",
        "CREATE FUNCTION unpinned() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "DROP FUNCTION unpinned()",
    ),
    Case(
        "function_body",
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog AS 'BEGIN RETURN NULL; END'",
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog AS 'BEGIN RETURN NEW; END'",
        UNKNOWN,
    ),
    Case(
        "function_setting",
        "ALTER FUNCTION plain(int) SET row_security = off",
        "ALTER FUNCTION plain(int) RESET row_security",
        UNKNOWN,
    ),
    Case("function_volatility", "ALTER FUNCTION plain(int) VOLATILE", "ALTER FUNCTION plain(int) IMMUTABLE", UNKNOWN),
    Case(
        "function_language",
        "CREATE FUNCTION inside(int, int) RETURNS int LANGUAGE internal AS 'int4pl'",
        "DROP FUNCTION inside(int, int)",
        UNKNOWN,
    ),
    Case(
        "rewrite_rule",
        "CREATE RULE away AS ON DELETE TO open_table DO INSTEAD NOTHING",
        "DROP RULE away ON open_table",
        UNKNOWN,
    ),
    Case("trigger_disabled", "ALTER TABLE entry DISABLE TRIGGER stamped", "ALTER TABLE entry ENABLE TRIGGER stamped"),
    Case(
        "trigger_removed",
        "DROP TRIGGER checked ON entry",
        "CREATE TRIGGER checked BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION stamp()",
    ),
    Case(
        "trigger_changed",
        "CREATE OR REPLACE TRIGGER checked BEFORE UPDATE ON entry FOR EACH ROW WHEN (false) EXECUTE FUNCTION stamp()",
        "CREATE OR REPLACE TRIGGER checked BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION stamp()",
        UNKNOWN,
    ),
    Case(
        "trigger",
        "CREATE TRIGGER more BEFORE DELETE ON entry FOR EACH ROW EXECUTE FUNCTION stamp()",
        "DROP TRIGGER more ON entry",
        UNKNOWN,
    ),
    Case("constraint_trigger", "ALTER TABLE entry DISABLE TRIGGER ALL", "ALTER TABLE entry ENABLE TRIGGER ALL"),
    Case("event_trigger_disabled", "ALTER EVENT TRIGGER audited DISABLE", "ALTER EVENT TRIGGER audited ENABLE"),
    Case(
        "event_trigger",
        "DROP EVENT TRIGGER audited",
        "CREATE EVENT TRIGGER audited ON ddl_command_start EXECUTE FUNCTION audit()",
    ),
    Case(
        "constraint",
        "ALTER TABLE account DROP CONSTRAINT account_balance_check",
        "ALTER TABLE account ADD CONSTRAINT account_balance_check CHECK (balance >= 0)",
    ),
    Case(
        "constraint_not_valid",
        "ALTER TABLE account DROP CONSTRAINT account_balance_check ;;"
        " ALTER TABLE account ADD CONSTRAINT account_balance_check CHECK (balance >= 0) NOT VALID",
        "ALTER TABLE account VALIDATE CONSTRAINT account_balance_check",
    ),
    Case(
        "constraint_not_enforced",
        "ALTER TABLE entry ALTER CONSTRAINT entry_account_fkey NOT ENFORCED",
        "ALTER TABLE entry ALTER CONSTRAINT entry_account_fkey ENFORCED",
    ),
    Case(
        "constraint_deferred",
        "ALTER TABLE entry ALTER CONSTRAINT entry_account_fkey DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE entry ALTER CONSTRAINT entry_account_fkey NOT DEFERRABLE",
    ),
    Case(
        "constraint_changed",
        "ALTER TABLE account DROP CONSTRAINT account_balance_check ;;"
        " ALTER TABLE account ADD CONSTRAINT account_balance_check CHECK (balance >= -5)",
        "ALTER TABLE account DROP CONSTRAINT account_balance_check ;;"
        " ALTER TABLE account ADD CONSTRAINT account_balance_check CHECK (balance >= 0)",
        UNKNOWN,
    ),
    Case("not_null", "ALTER TABLE account ALTER owner DROP NOT NULL", "ALTER TABLE account ALTER owner SET NOT NULL"),
    Case("index_unique", "DROP INDEX account_owner", "CREATE UNIQUE INDEX account_owner ON account (owner)"),
    Case(
        "index_exclusion",
        "ALTER TABLE entry DROP CONSTRAINT entry_room",
        "ALTER TABLE entry ADD CONSTRAINT entry_room EXCLUDE USING gist (at WITH &&)",
    ),
    Case(
        "index_replica_identity",
        "DROP INDEX entry_replica",
        "CREATE UNIQUE INDEX entry_replica ON entry (id) ;;"
        " ALTER TABLE entry REPLICA IDENTITY USING INDEX entry_replica",
    ),
    Case(
        "index_invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'account_owner'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'account_owner'::regclass",
    ),
    Case(
        "replica_identity",
        "ALTER TABLE entry REPLICA IDENTITY NOTHING",
        "ALTER TABLE entry REPLICA IDENTITY USING INDEX entry_replica",
    ),
    Case("unlogged", "ALTER TABLE spare SET UNLOGGED", "ALTER TABLE spare SET LOGGED"),
    Case(
        "autovacuum", "ALTER TABLE spare SET (autovacuum_enabled = off)", "ALTER TABLE spare RESET (autovacuum_enabled)"
    ),
    Case("owner", "ALTER TABLE open_table OWNER TO keeper", "ALTER TABLE open_table OWNER TO trimtab", UNKNOWN),
    Case("role_superuser", "ALTER ROLE app SUPERUSER", "ALTER ROLE app NOSUPERUSER"),
    Case("role_bypass_rls", "ALTER ROLE app BYPASSRLS", "ALTER ROLE app NOBYPASSRLS"),
    Case("role_replication", "ALTER ROLE app REPLICATION", "ALTER ROLE app NOREPLICATION"),
    Case("role_create_role", "ALTER ROLE app CREATEROLE", "ALTER ROLE app NOCREATEROLE"),
    Case("role_create_database", "ALTER ROLE app CREATEDB", "ALTER ROLE app NOCREATEDB"),
    Case("role_login", "ALTER ROLE weak LOGIN", "ALTER ROLE weak NOLOGIN"),
    Case("role_inherit", "ALTER ROLE weak INHERIT", "ALTER ROLE weak NOINHERIT"),
    Case("role_connection_limit", "ALTER ROLE app CONNECTION LIMIT -1", "ALTER ROLE app CONNECTION LIMIT 5"),
    Case("role_valid_until", "ALTER ROLE app VALID UNTIL 'infinity'", "ALTER ROLE app VALID UNTIL '2030-01-01'"),
    Case("role", "CREATE ROLE somebody LOGIN", "DROP ROLE somebody", UNKNOWN),
    Case("membership", "GRANT keeper TO app", "REVOKE keeper FROM app"),
    Case("member_of_program", "GRANT pg_execute_server_program TO app", "REVOKE pg_execute_server_program FROM app"),
    Case("member_of_files", "GRANT pg_read_server_files TO app", "REVOKE pg_read_server_files FROM app"),
    Case("member_of_all_data", "GRANT pg_read_all_data TO app", "REVOKE pg_read_all_data FROM app"),
    Case("member_of_maintain", "GRANT pg_maintain TO app", "REVOKE pg_maintain FROM app"),
    Case("member_of_subscription", "GRANT pg_create_subscription TO app", "REVOKE pg_create_subscription FROM app"),
    Case("member_of_server_control", "GRANT pg_signal_backend TO app", "REVOKE pg_signal_backend FROM app"),
    Case("member_of_monitor", "GRANT pg_monitor TO app", "REVOKE pg_monitor FROM app"),
    Case(
        "password_hash",
        "SET password_encryption = md5 ;; ALTER ROLE app PASSWORD 'x'",
        "RESET password_encryption ;; ALTER ROLE app PASSWORD 'pgo-canary-7f3a'",
    ),
    Case(
        "password_hash",
        "SET scram_iterations = 1 ;; ALTER ROLE app PASSWORD 'x'",
        "RESET scram_iterations ;; ALTER ROLE app PASSWORD 'pgo-canary-7f3a'",
    ),
    Case("grant", "GRANT UPDATE ON open_table TO app", "REVOKE UPDATE ON open_table FROM app"),
    Case("grant", "GRANT SELECT ON pg_authid TO app", "REVOKE SELECT ON pg_authid FROM app"),
    Case("grant", "GRANT SELECT ON pg_statistic TO app", "REVOKE SELECT ON pg_statistic FROM app"),
    Case(
        "grant_column",
        "GRANT SELECT (subconninfo) ON pg_subscription TO app",
        "REVOKE SELECT (subconninfo) ON pg_subscription FROM app",
    ),
    Case(
        "view_barrier",
        "ALTER VIEW pg_catalog.pg_stats SET (security_barrier = false)",
        "ALTER VIEW pg_catalog.pg_stats SET (security_barrier = true)",
    ),
    Case("owner", "ALTER VIEW pg_shadow OWNER TO app", "ALTER VIEW pg_shadow OWNER TO CURRENT_USER", UNKNOWN),
    Case(
        "grant_option",
        "GRANT SELECT ON open_table TO app WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON open_table FROM app",
    ),
    Case("grant_public", "GRANT SELECT ON account TO PUBLIC", "REVOKE SELECT ON account FROM PUBLIC"),
    Case(
        "grant_public",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM PUBLIC",
    ),
    Case("grant_column", "GRANT SELECT (secret) ON account TO app", "REVOKE SELECT (secret) ON account FROM app"),
    Case(
        "grant_function", "GRANT EXECUTE ON FUNCTION guarded() TO app", "REVOKE EXECUTE ON FUNCTION guarded() FROM app"
    ),
    Case("grant_create", "GRANT CREATE ON SCHEMA public TO app", "REVOKE CREATE ON SCHEMA public FROM app"),
    Case("grant_trigger", "GRANT TRIGGER ON open_table TO app", "REVOKE TRIGGER ON open_table FROM app"),
    Case("grant_references", "GRANT REFERENCES ON open_table TO app", "REVOKE REFERENCES ON open_table FROM app"),
    Case("grant_truncate", "GRANT TRUNCATE ON open_table TO app", "REVOKE TRUNCATE ON open_table FROM app"),
    Case("grant_maintain", "GRANT MAINTAIN ON open_table TO app", "REVOKE MAINTAIN ON open_table FROM app"),
    Case(
        "grant_default",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM app",
    ),
    Case(
        "grant_parameter",
        "GRANT ALTER SYSTEM ON PARAMETER fsync TO app",
        "REVOKE ALTER SYSTEM ON PARAMETER fsync FROM app",
    ),
    Case("database_open", "ALTER DATABASE vault IS_TEMPLATE true", "ALTER DATABASE vault IS_TEMPLATE false"),
    Case(
        "language",
        "UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'c'",
        "UPDATE pg_language SET lanpltrusted = false WHERE lanname = 'c'",
    ),
    Case("untrusted_language", "CREATE LANGUAGE danger HANDLER plpgsql_call_handler", "DROP LANGUAGE danger"),
    Case("extension", "CREATE EXTENSION pageinspect", "DROP EXTENSION pageinspect", UNKNOWN),
    Case("foreign_wrapper", "CREATE FOREIGN DATA WRAPPER odd", "DROP FOREIGN DATA WRAPPER odd"),
    Case("foreign_server", "CREATE SERVER third FOREIGN DATA WRAPPER postgres_fdw", "DROP SERVER third"),
    Case(
        "user_mapping",
        "CREATE USER MAPPING FOR PUBLIC SERVER elsewhere",
        "DROP USER MAPPING FOR PUBLIC SERVER elsewhere",
    ),
    Case("publication", "CREATE PUBLICATION more FOR TABLE account", "DROP PUBLICATION more"),
    Case("publication_tables", "ALTER PUBLICATION feed ADD TABLE account", "ALTER PUBLICATION feed DROP TABLE account"),
    Case(
        "publication_operations",
        "ALTER PUBLICATION feed SET (publish = 'insert, update')",
        "ALTER PUBLICATION feed SET (publish = 'insert')",
    ),
    Case(
        "publication_filter",
        "ALTER PUBLICATION feed SET (publish_generated_columns = stored)",
        "ALTER PUBLICATION feed SET (publish_generated_columns = none)",
    ),
    Case(
        "publication_filter",
        "ALTER PUBLICATION feed SET TABLE open_table (id)",
        "ALTER PUBLICATION feed SET TABLE open_table",
        UNKNOWN,
    ),
    Case(
        "subscription",
        "CREATE SUBSCRIPTION from_there CONNECTION 'dbname=x password=pgo-canary-7f3a' PUBLICATION p"
        " WITH (connect = false)",
        "ALTER SUBSCRIPTION from_there DISABLE ;; ALTER SUBSCRIPTION from_there SET (slot_name = NONE) ;;"
        " DROP SUBSCRIPTION from_there",
        UNKNOWN,
    ),
    Case(
        "function_body",
        "ALTER FUNCTION same(mood, mood) SUPPORT textlike_support",
        "UPDATE pg_proc SET prosupport = 0 WHERE proname = 'same' AND pronamespace = 'public'::regnamespace",
        UNKNOWN,
    ),
    Case(
        "user_mapping",
        "ALTER USER MAPPING FOR app SERVER elsewhere OPTIONS (SET user 'root')",
        "ALTER USER MAPPING FOR app SERVER elsewhere OPTIONS (SET user 'u')",
        UNKNOWN,
    ),
    Case(
        "grant_public",
        "GRANT USAGE ON TYPE closed TO PUBLIC",
        "REVOKE USAGE ON TYPE closed FROM PUBLIC",
    ),
    Case("grant", "GRANT USAGE ON TYPE mood TO app", "REVOKE USAGE ON TYPE mood FROM app"),
    Case("cast", "CREATE CAST (mood AS bigint) WITH INOUT AS IMPLICIT", "DROP CAST (mood AS bigint)", UNKNOWN),
    Case("cast", "DROP CAST (mood AS int)", "CREATE CAST (mood AS int) WITH FUNCTION rank(mood)", UNKNOWN),
    Case(
        "cast_context",
        "DROP CAST (mood AS int) ;; CREATE CAST (mood AS int) WITH FUNCTION rank(mood) AS IMPLICIT",
        "DROP CAST (mood AS int) ;; CREATE CAST (mood AS int) WITH FUNCTION rank(mood)",
    ),
    Case(
        "operator_function",
        "UPDATE pg_operator SET oprcode = 'enum_eq'::regproc WHERE oprname = '==='",
        "UPDATE pg_operator SET oprcode = 'same'::regproc WHERE oprname = '==='",
        UNKNOWN,
    ),
    Case(
        "operator_planning",
        "ALTER OPERATOR === (mood, mood) SET (RESTRICT = eqsel)",
        "ALTER OPERATOR === (mood, mood) SET (RESTRICT = NONE)",
        UNKNOWN,
    ),
    Case(
        "owner",
        "ALTER OPERATOR === (mood, mood) OWNER TO keeper",
        "ALTER OPERATOR === (mood, mood) OWNER TO CURRENT_USER",
        UNKNOWN,
    ),
    Case(
        "operator_class_changed",
        "UPDATE pg_opclass SET opcdefault = true WHERE opcname = 'mood_hash'",
        "UPDATE pg_opclass SET opcdefault = false WHERE opcname = 'mood_hash'",
        UNKNOWN,
    ),
    Case(
        "owner",
        "ALTER OPERATOR CLASS mood_hash USING hash OWNER TO keeper",
        "ALTER OPERATOR CLASS mood_hash USING hash OWNER TO CURRENT_USER",
        UNKNOWN,
    ),
    Case(
        "owner",
        "ALTER OPERATOR FAMILY moods USING hash OWNER TO keeper",
        "ALTER OPERATOR FAMILY moods USING hash OWNER TO CURRENT_USER",
        UNKNOWN,
    ),
    Case(
        "operator_family",
        "ALTER OPERATOR FAMILY moods USING hash ADD FUNCTION 1 (text, text) hashtext(text)",
        "ALTER OPERATOR FAMILY moods USING hash DROP FUNCTION 1 (text, text)",
        UNKNOWN,
    ),
    Case(
        "type_definition",
        "UPDATE pg_type SET typanalyze = 'array_typanalyze'::regproc WHERE typname = 'mood'",
        "UPDATE pg_type SET typanalyze = 0 WHERE typname = 'mood'",
        UNKNOWN,
    ),
    Case("owner", "ALTER TYPE mood OWNER TO keeper", "ALTER TYPE mood OWNER TO CURRENT_USER", UNKNOWN),
    Case(
        "function_body",
        "CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4mul, STYPE = int)",
        "CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
        UNKNOWN,
    ),
    Case(
        "collation_changed",
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'spoken'",
        "UPDATE pg_collation SET collisdeterministic = true WHERE collname = 'spoken'",
        UNKNOWN,
    ),
    Case("owner", "ALTER COLLATION spoken OWNER TO keeper", "ALTER COLLATION spoken OWNER TO CURRENT_USER", UNKNOWN),
    Case(
        "conversion_changed",
        "CREATE DEFAULT CONVERSION ours FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "DROP CONVERSION ours",
        UNKNOWN,
    ),
    Case("owner", "ALTER CONVERSION turned OWNER TO keeper", "ALTER CONVERSION turned OWNER TO CURRENT_USER", UNKNOWN),
    Case(
        "text_search_changed",
        "ALTER TEXT SEARCH DICTIONARY plainly (ACCEPT = false)",
        "ALTER TEXT SEARCH DICTIONARY plainly (ACCEPT = true)",
        UNKNOWN,
    ),
    Case(
        "text_search_changed",
        "ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR word WITH plainly",
        "ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR word WITH simple",
        UNKNOWN,
    ),
    Case(
        "owner",
        "ALTER TEXT SEARCH CONFIGURATION words OWNER TO keeper",
        "ALTER TEXT SEARCH CONFIGURATION words OWNER TO CURRENT_USER",
        UNKNOWN,
    ),
    Case(
        "access_method",
        "CREATE ACCESS METHOD other TYPE INDEX HANDLER bthandler",
        "DROP ACCESS METHOD other",
        UNKNOWN,
    ),
    Case(
        "transform",
        "CREATE TRANSFORM FOR int LANGUAGE sql"
        " (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))",
        "DROP TRANSFORM FOR int LANGUAGE sql",
        UNKNOWN,
    ),
    Case(
        "foreign_table",
        "ALTER FOREIGN TABLE far OPTIONS (SET table_name 'other')",
        "ALTER FOREIGN TABLE far OPTIONS (SET table_name 'pgo-canary-7f3a')",
        UNKNOWN,
    ),
    Case(
        "foreign_server",
        "ALTER SERVER elsewhere OPTIONS (SET host 'there')",
        "ALTER SERVER elsewhere OPTIONS (SET host 'h')",
        UNKNOWN,
    ),
    Case(
        "owner",
        "ALTER TABLESPACE pg_default OWNER TO keeper",
        "ALTER TABLESPACE pg_default OWNER TO CURRENT_USER",
        UNKNOWN,
    ),
    Case(
        "owner", "ALTER STATISTICS together OWNER TO keeper", "ALTER STATISTICS together OWNER TO CURRENT_USER", UNKNOWN
    ),
    Case("owner", "ALTER LARGE OBJECT 4242 OWNER TO keeper", "ALTER LARGE OBJECT 4242 OWNER TO CURRENT_USER", UNKNOWN),
    Case(
        "grant",
        "GRANT SELECT ON LARGE OBJECT 4242 TO app",
        "REVOKE ALL ON LARGE OBJECT 4242 FROM app",
    ),
    Case(
        "grant_public",
        "GRANT UPDATE ON LARGE OBJECT 4242 TO PUBLIC",
        "REVOKE ALL ON LARGE OBJECT 4242 FROM PUBLIC",
    ),
    Case(
        "system_object",
        "UPDATE pg_cast SET castcontext = 'i' WHERE castsource = 'int8'::regtype AND casttarget = 'int4'::regtype",
        "UPDATE pg_cast SET castcontext = 'a' WHERE castsource = 'int8'::regtype AND casttarget = 'int4'::regtype",
        UNKNOWN,
    ),
    Case(
        "language",
        "UPDATE pg_language SET lanvalidator = 0 WHERE lanname = 'plpgsql'",
        "UPDATE pg_language SET lanvalidator = 'plpgsql_validator'::regproc WHERE lanname = 'plpgsql'",
        UNKNOWN,
    ),
    Case(
        "replication_slot",
        "SELECT pg_create_logical_replication_slot('away', 'pgoutput')",
        "SELECT pg_drop_replication_slot('away')",
        UNKNOWN,
    ),
]


HBA = [  # what is put before the first line, and what is put for a line that is there
    ("hba_unproven", "host all all 10.0.0.0/8 trust", None),
    ("hba_rule", "host all all 10.0.0.0/8 scram-sha-256", None),
    ("hba_reject", None, ("host all all 10.9.0.0/16 reject\n", "")),
    (
        "hba_order",
        None,
        (
            "host all app 10.7.0.0/16 md5\nhost all app 10.8.0.0/16 ident",
            "host all app 10.8.0.0/16 ident\nhost all app 10.7.0.0/16 md5",
        ),
    ),
    ("hba_options", None, ("10.8.0.0/16 ident\n", "10.8.0.0/16 ident map=m\n")),
]

OPENSSL = [  # the embedded server is built without it
    ("tls_ciphers", "ssl_ciphers", "'ALL'"),
    ("tls_key_exchange", "ssl_ecdh_curve", "'secp384r1'"),
    ("user_namespace", "db_user_namespace", "on"),
]

EDITED = [  # what this server cannot be brought to do
    ("server_version", "server", '"server"', "version", 180006, 180001),
    ("tls", "settings", "ssl", "value", "on", "off"),
    ("data_checksums", "settings", "data_checksums", "value", "on", "off"),
    ("logging_collector", "settings", "logging_collector", "value", "on", "off"),
    ("alter_system", "settings", "allow_alter_system", "value", "off", "on"),
    ("security_label", "labels", '"selinux"."table"."public.account"', "label", "one", "other"),
]
