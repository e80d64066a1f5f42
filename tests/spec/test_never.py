"""What no specification can allow."""

import pytest

from trimtab.spec.never import never_pattern


@pytest.mark.parametrize(
    "name",
    [
        "fsync", "FSYNC", "full_page_writes", "synchronous_commit", "row_security", "session_replication_role",
        "search_path", "zero_damaged_pages", "shared_preload_libraries", "session_preload_libraries",
        "local_preload_libraries", "ssl_ciphers", "ssl", "password_encryption", "log_statement",
        "log_min_duration_statement", "wal_level", "archive_mode", "listen_addresses", "hba_file", "TimeZone",
        "DateStyle", "allow_system_table_mods", "ignore_checksum_failure", "pgaudit.log", "role", "autovacuum",
        "passwordcheck.min_password_length", "auth_delay.milliseconds", "sepgsql.permissive", "pltcl.start_proc",
        "pltclu.start_proc", "plperl.on_init", "plperl.on_plperl_init", "plperl.on_plperlu_init", "plv8.start_proc",
        "pljava.libjvm_location", "basebackup_to_shell.command", "basic_archive.archive_directory",
        "auto_explain.log_parameter_max_length", "default_transaction_read_only", "jit_provider",
    ],
)  # fmt: skip
def test_it_is_on_the_list(name: str) -> None:
    assert never_pattern(name) is not None


@pytest.mark.parametrize(
    "name", ["work_mem", "random_page_cost", "jit", "default_statistics_target", "plan_cache_mode"]
)
def test_planner_and_memory_settings_are_not(name: str) -> None:
    assert never_pattern(name) is None
