"""The settings that Trimtab never changes, whatever a specification says: they buy speed with durability, safety,
evidence or the meaning of a query. This list only grows; no document can shorten it.
"""

from __future__ import annotations

from trimtab.spec.patterns import first_match

# Each group answers "what would be lost?". A trailing * stands for any ending.
_DURABILITY = (
    "archive_*", "basic_archive.*", "checkpoint_*", "commit_delay", "commit_siblings", "data_checksums",
    "data_sync_retry", "fsync", "full_page_writes", "hot_standby*", "idle_replication_slot_timeout",
    "max_slot_wal_keep_size", "max_standby_*", "max_wal_senders",
    "primary_*", "recovery_*", "restore_command", "summarize_wal", "sync_replication_slots",
    "synchronized_standby_slots", "synchronous_commit", "synchronous_standby_names", "wal_*",
)  # fmt: skip
_INTEGRITY = (
    "allow_alter_system", "allow_in_place_tablespaces", "allow_system_table_mods",
    "autovacuum*", "check_function_bodies", "event_triggers",
    "ignore_checksum_failure", "ignore_invalid_pages", "ignore_system_indexes", "lo_compat_privileges",
    "plpgsql.check_asserts", "plpgsql.variable_conflict",
    "session_replication_role", "vacuum_failsafe_age", "vacuum_multixact_*", "zero_damaged_pages",
)  # fmt: skip
_ACCESS = (
    "anon.*", "auth_delay.*", "authentication_timeout", "basebackup_to_shell.*",
    "bonjour*", "config_file", "createrole_self_grant", "credcheck.*",
    "data_directory",
    "db_user_namespace", "dynamic_library_path", "extension_control_path", "external_pid_file", "gss_*", "hba_file",
    "ident_file", "is_superuser", "jit_provider", "krb_*", "listen_addresses", "local_preload_libraries", "md5_*",
    "oauth_*", "output_plugin_libraries", "password_encryption", "passwordcheck.*", "pgsodium.*", "pljava.*",
    "plperl.*", "pltcl.*", "pltclu.*", "plv8.*", "port", "reserved_connections",
    "restrict_nonsystem_relation_kind", "role",
    "row_security", "scram_*", "search_path", "sepgsql.*", "session_authorization", "session_preload_libraries",
    "set_user.*", "shared_preload_libraries", "ssl*", "superuser_reserved_connections", "supautils.*",
    "unix_socket_*",
)  # fmt: skip
_EVIDENCE = (
    "application_name", "auto_explain.*", "cluster_name", "compute_query_id", "debug_*", "event_source", "log_*",
    "logging_collector", "pg_stat_statements.*", "pgaudit.*", "stats_fetch_consistency", "syslog_*", "track_*",
)  # fmt: skip
_MEANING = (
    "array_nulls", "backslash_quote", "backtrace_functions", "bytea_output", "client_encoding", "client_min_messages",
    "datestyle", "default_table_access_method", "default_tablespace", "default_text_search_config",
    "default_toast_compression", "default_transaction_*", "escape_string_warning", "exit_on_error",
    "extra_float_digits", "gin_fuzzy_search_limit", "icu_validation_level", "intervalstyle", "lc_*",
    "operator_precedence_warning", "quote_all_identifiers", "restart_after_crash", "standard_conforming_strings",
    "temp_tablespaces", "timezone*", "transaction_*", "transform_null_equals", "xmlbinary", "xmloption",
)  # fmt: skip
GUARDING_SETTINGS = tuple(sorted((*_DURABILITY, *_INTEGRITY, *_ACCESS, *_EVIDENCE)))
"""Those of the list that guard data, access or evidence. The others decide what a query means."""
NEVER_SETTINGS = tuple(sorted((*_DURABILITY, *_INTEGRITY, *_ACCESS, *_EVIDENCE, *_MEANING)))


def never_pattern(setting: str) -> str | None:
    """Return the entry of the list that forbids the setting, or None. Case does not count, as in PostgreSQL."""
    return first_match(NEVER_SETTINGS, setting.lower())
