"""What it means for security that a setting has another value: on the server, in its files, for a role or a database.

The settings that guard something have a rule of their own. One that Trimtab never changes and that has none is unknown
where it guards durability, integrity, access or evidence; all others are neutral.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from trimtab.security.difference import Both, Difference, Effect, RowChange
from trimtab.spec.never import GUARDING_SETTINGS
from trimtab.spec.patterns import first_match

Judge: TypeAlias = Callable[[str | None, str | None], Effect]


def server_setting(change: RowChange, _both: Both) -> Iterator[Difference]:
    """The value that the server runs with, where it came from, and whether a restart would bring another one."""
    name = change.key
    if change.before is None or change.after is None:
        # A library was loaded or left out, or the version is another: its own row says that.
        yield change.whole("posture.setting", Effect.NEUTRAL)
        return
    for attribute, old, new in change.attributes():
        if attribute == "value":
            code, effect = setting_effect(name, _text(old), _text(new))
            yield change.of(attribute, code, effect)
        elif attribute == "pending_restart" and new:
            is_guarding = rule_of(name) is not None
            yield change.of(attribute, "posture.pending_restart", Effect.UNKNOWN if is_guarding else Effect.NEUTRAL)
        else:  # that it comes from elsewhere, or that the restart has been: the value says the rest
            yield change.of(attribute, "posture.setting", Effect.NEUTRAL)


def file_setting(change: RowChange, both: Both) -> Iterator[Difference]:
    """What a configuration file says: it comes into force later, so it counts now."""
    name = str(change.value("setting"))
    old = change.before.get("value") if change.before is not None else both.before.setting(name)
    new = change.after.get("value") if change.after is not None else both.after.setting(name)
    if change.before is not None and change.after is not None and old == new:
        for attribute, _, _ in change.attributes():
            yield change.of(attribute, "posture.setting", Effect.NEUTRAL)
        return
    code, effect = setting_effect(name, _text(old), _text(new))
    yield change.whole(code, effect) if None in (change.before, change.after) else change.of("value", code, effect)
    for attribute, _, _ in change.attributes():
        if attribute != "value":
            yield change.of(attribute, "posture.setting", Effect.NEUTRAL)


def scoped_setting(change: RowChange, both: Both) -> Iterator[Difference]:
    """What a role or a database is given, beside what it would have without it: the server's own value."""
    name = str(change.value("setting"))
    old = change.before.get("value") if change.before is not None else both.before.setting(name)
    new = change.after.get("value") if change.after is not None else both.after.setting(name)
    code, effect = setting_effect(name, _text(old), _text(new))
    yield change.whole(code, effect) if None in (change.before, change.after) else change.of("value", code, effect)


def setting_effect(name: str, before: str | None, after: str | None) -> tuple[str, Effect]:
    """Return (code, effect) of the setting's going from one value to another; None is a value that was not seen."""
    found = rule_of(name)
    if found is None:
        return "posture.setting", Effect.NEUTRAL
    code, judge = found
    if before is not None and after is not None and before.lower() == after.lower():
        return code, Effect.NEUTRAL
    return code, judge(before, after)


def rule_of(name: str) -> tuple[str, Judge] | None:
    """Return the code and the rule of a setting that guards something, None for all others."""
    lower = name.lower()
    found = _RULES.get(lower)
    if found is None:
        pattern = first_match(_PATTERNS, lower)
        found = _PATTERNS[pattern] if pattern is not None else None
    if found is not None:
        return found if found[1] is not neutral else None
    if first_match(GUARDING_SETTINGS, lower) is not None:
        return "posture.setting_guarded", unknown
    return ("posture.custom_setting", unknown) if "." in lower and not lower.startswith(_HARMLESS) else None


def unknown(_before: str | None, _after: str | None) -> Effect:
    """Nobody can tell."""
    return Effect.UNKNOWN


def neutral(_before: str | None, _after: str | None) -> Effect:
    """It guards nothing."""
    return Effect.NEUTRAL


def ordered(*weakest_first: str) -> Judge:
    """The values in their order; one that is not among them is unknown."""
    ranks = {value: rank for rank, values in enumerate(weakest_first) for value in values.split("|")}

    def judge(before: str | None, after: str | None) -> Effect:
        old, new = ranks.get(_plain(before)), ranks.get(_plain(after))
        if new is not None and (old is None or before is None):
            # What it was is not known; at its strongest it cannot have been weakened.
            return Effect.NEUTRAL if new == max(ranks.values()) else Effect.UNKNOWN
        if old is None or new is None:
            return Effect.UNKNOWN
        return Effect.NEUTRAL if old == new else Effect.WEAKENED if new < old else Effect.STRENGTHENED

    return judge


def members(*, gained: Effect, lost: Effect) -> Judge:
    """A list with commas: one that gains and loses is judged by the worse of both."""

    def judge(before: str | None, after: str | None) -> Effect:
        if before is None or after is None:
            return Effect.UNKNOWN
        old, new = _listed(before), _listed(after)
        found = [gained] * bool(new - old) + [lost] * bool(old - new)
        return max(found, key=_HOW_BAD.__getitem__) if found else Effect.NEUTRAL

    return judge


def number(*, more: Effect, less: Effect, off: int | None = None) -> Judge:
    """A number, in octal when it begins with 0; `off` is the one that stands for none at all, and for the largest."""

    def judge(before: str | None, after: str | None) -> Effect:
        try:
            old, new = (int(text or "", 8 if re.fullmatch("0[0-7]+", text or "") else 10) for text in (before, after))
        except ValueError:
            return Effect.UNKNOWN
        if off in (old, new) and old != new:
            return more if new == off else less
        return more if new > old else less if new < old else Effect.NEUTRAL

    return judge


def emptied(before: str | None, after: str | None) -> Effect:
    """It guards by being there: without it, weakened; another one is unknown; a first one strengthens."""
    if after is None or before is None:
        return Effect.UNKNOWN
    if not after:
        return Effect.WEAKENED
    return Effect.STRENGTHENED if not before else Effect.UNKNOWN


def audited(before: str | None, after: str | None) -> Effect:
    """The classes that pgaudit logs; `-class` takes one out again, which is left to people."""
    if before is None or after is None or "-" in before + after:
        return Effect.UNKNOWN
    return members(gained=Effect.STRENGTHENED, lost=Effect.WEAKENED)(before, after)


_HOW_BAD = {Effect.STRENGTHENED: 0, Effect.NEUTRAL: 1, Effect.UNKNOWN: 2, Effect.WEAKENED: 3}
_WORDS = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
_ON, _OFF = ordered("off", "on"), ordered("on", "off")
_W, _S, _N, _U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN
_LEVELS = "debug5|debug4|debug3|debug2|debug1|debug info notice warning error log fatal panic"
_TLS = ordered("", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")
_LIBRARIES = members(gained=_U, lost=_W)

_RULES: dict[str, tuple[str, Judge]] = {
    # durability
    "fsync": ("posture.fsync", _ON),
    "wal_sync_method": ("posture.fsync", unknown),
    "full_page_writes": ("posture.full_page_writes", _ON),
    "data_checksums": ("posture.data_checksums", _ON),
    "synchronous_commit": (
        "posture.synchronous_commit",
        ordered("off", "local", "remote_write", "on", "remote_apply"),
    ),
    "wal_level": ("posture.wal_level", ordered("minimal", "replica", "logical")),
    "archive_mode": ("posture.archiving", ordered("off", "on", "always")),
    "archive_command": ("posture.archiving", emptied),
    "archive_library": ("posture.archiving", emptied),
    "archive_cleanup_command": ("posture.archiving", unknown),
    "archive_timeout": ("posture.archiving", number(more=_W, less=_S, off=0)),
    "synchronous_standby_names": ("posture.standby", emptied),
    "synchronized_standby_slots": ("posture.standby", emptied),
    "sync_replication_slots": ("posture.standby", _ON),
    "primary_conninfo": ("posture.standby", unknown),
    "primary_slot_name": ("posture.standby", unknown),
    "restore_command": ("posture.standby", unknown),
    "hot_standby": ("posture.standby", _ON),
    "hot_standby_feedback": ("posture.setting", neutral),
    "max_wal_senders": ("posture.standby", number(more=_N, less=_W)),
    "max_slot_wal_keep_size": ("posture.standby", number(more=_N, less=_W, off=-1)),
    "idle_replication_slot_timeout": ("posture.standby", number(more=_N, less=_W, off=0)),
    "wal_keep_size": ("posture.standby", number(more=_N, less=_W)),
    "wal_keep_segments": ("posture.standby", number(more=_N, less=_W)),
    "restart_after_crash": ("posture.restart_after_crash", _ON),
    "data_sync_retry": ("posture.data_sync_retry", _OFF),
    # integrity
    "ignore_checksum_failure": ("posture.checksum_failures", _OFF),
    "zero_damaged_pages": ("posture.damaged_pages", _OFF),
    "ignore_invalid_pages": ("posture.invalid_pages", _OFF),
    "ignore_system_indexes": ("posture.system_indexes", _OFF),
    "allow_system_table_mods": ("posture.system_tables", _OFF),
    "allow_in_place_tablespaces": ("posture.system_tables", _OFF),
    "allow_alter_system": ("posture.alter_system", _OFF),
    "session_replication_role": ("posture.replication_role", ordered("replica", "local|origin")),
    "event_triggers": ("posture.event_triggers", _ON),
    "check_function_bodies": ("posture.function_checks", _ON),
    "plpgsql.check_asserts": ("posture.function_checks", _ON),
    "plpgsql.variable_conflict": ("posture.function_checks", unknown),
    "autovacuum": ("posture.autovacuum", _ON),
    "track_counts": ("posture.autovacuum", _ON),
    # access
    "row_security": ("posture.row_security", unknown),
    "search_path": ("posture.search_path", unknown),
    "ssl": ("posture.tls", _ON),
    "ssl_min_protocol_version": ("posture.tls_version", _TLS),
    "ssl_max_protocol_version": (
        "posture.tls_version",
        ordered("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3|"),
    ),
    "ssl_ciphers": ("posture.tls_ciphers", unknown),
    "ssl_tls13_ciphers": ("posture.tls_ciphers", unknown),
    "ssl_prefer_server_ciphers": ("posture.tls_ciphers", _ON),
    "ssl_groups": ("posture.tls_key_exchange", unknown),
    "ssl_ecdh_curve": ("posture.tls_key_exchange", unknown),
    "ssl_dh_params_file": ("posture.tls_key_exchange", unknown),
    "ssl_library": ("posture.setting", neutral),
    "ssl_renegotiation_limit": ("posture.setting", neutral),
    "ssl_passphrase_command_supports_reload": ("posture.setting", neutral),
    "password_encryption": ("posture.password_hashing", ordered("md5|on", "scram-sha-256")),
    "scram_iterations": ("posture.scram_iterations", number(more=_S, less=_W)),
    "md5_password_warnings": ("posture.md5_warnings", _ON),
    "listen_addresses": ("posture.listen_addresses", members(gained=_W, lost=_S)),
    "port": ("posture.listen_addresses", unknown),
    "unix_socket_directories": ("posture.unix_socket", members(gained=_W, lost=_S)),
    "unix_socket_permissions": ("posture.unix_socket", number(more=_W, less=_S)),
    "unix_socket_group": ("posture.unix_socket", unknown),
    "hba_file": ("posture.hba_file", unknown),
    "ident_file": ("posture.hba_file", unknown),
    "authentication_timeout": ("posture.authentication_timeout", number(more=_W, less=_S)),
    "gss_accept_delegation": ("posture.gss", _OFF),
    "db_user_namespace": ("posture.user_namespace", _OFF),
    "lo_compat_privileges": ("posture.large_objects", _OFF),
    "restrict_nonsystem_relation_kind": ("posture.nonsystem_relations", members(gained=_S, lost=_W)),
    "createrole_self_grant": ("posture.createrole_self_grant", members(gained=_W, lost=_S)),
    "superuser_reserved_connections": ("posture.reserved_connections", number(more=_N, less=_W)),
    "reserved_connections": ("posture.reserved_connections", number(more=_N, less=_W)),
    "shared_preload_libraries": ("posture.preload_libraries", _LIBRARIES),
    "session_preload_libraries": ("posture.preload_libraries", _LIBRARIES),
    "local_preload_libraries": ("posture.preload_libraries", _LIBRARIES),
    "dynamic_library_path": ("posture.library_path", unknown),
    "extension_control_path": ("posture.library_path", unknown),
    "output_plugin_libraries": ("posture.library_path", members(gained=_W, lost=_S)),
    "jit_provider": ("posture.library_path", unknown),
    # what a statement means, where that is a matter of security
    "standard_conforming_strings": ("posture.string_escapes", _ON),
    "backslash_quote": ("posture.string_escapes", ordered("on", "safe_encoding", "off")),
    "default_transaction_isolation": (
        "posture.isolation",
        ordered("read uncommitted|read committed", "repeatable read", "serializable"),
    ),
    "default_transaction_read_only": ("posture.read_only", _ON),
    # evidence
    "logging_collector": ("posture.logging_collector", _ON),
    "log_destination": ("posture.log_destination", members(gained=_N, lost=_W)),
    "log_connections": ("posture.log_connections", members(gained=_S, lost=_W)),
    "log_disconnections": ("posture.log_disconnections", _ON),
    "log_statement": ("posture.log_statement", ordered("none", "ddl", "mod", "all")),
    "log_min_messages": ("posture.log_errors", ordered(*reversed(_LEVELS.split()))),
    "log_min_error_statement": ("posture.log_errors", ordered(*reversed(_LEVELS.split()))),
    "log_error_verbosity": ("posture.log_errors", ordered("terse", "default", "verbose")),
    "log_line_prefix": ("posture.log_line_prefix", unknown),
    "log_replication_commands": ("posture.log_replication", _ON),
    "log_hostname": ("posture.setting", neutral),
    "log_directory": ("posture.log_files", unknown),
    "log_filename": ("posture.log_files", unknown),
    "log_truncate_on_rotation": ("posture.log_files", _OFF),
    "log_file_mode": ("posture.log_file_mode", number(more=_W, less=_S)),
    "log_min_duration_statement": ("posture.log_duration", number(more=_W, less=_S, off=-1)),
    "log_min_duration_sample": ("posture.log_duration", number(more=_W, less=_S, off=-1)),
    "log_statement_sample_rate": ("posture.log_duration", unknown),
    "log_transaction_sample_rate": ("posture.log_duration", unknown),
    "log_duration": ("posture.log_duration", _ON),
    "log_lock_waits": ("posture.log_events", _ON),
    "log_checkpoints": ("posture.log_events", _ON),
    "log_temp_files": ("posture.log_events", number(more=_W, less=_S, off=-1)),
    "log_autovacuum_min_duration": ("posture.log_events", number(more=_W, less=_S, off=-1)),
    "log_parameter_max_length": ("posture.log_parameters", number(more=_W, less=_S, off=-1)),
    "log_parameter_max_length_on_error": ("posture.log_parameters", number(more=_W, less=_S, off=-1)),
    "debug_print_parse": ("posture.debug_print", _OFF),
    "debug_print_rewritten": ("posture.debug_print", _OFF),
    "debug_print_plan": ("posture.debug_print", _OFF),
    "debug_print_raw_parse": ("posture.debug_print", _OFF),
    "syslog_sequence_numbers": ("posture.syslog", _ON),
    "syslog_split_messages": ("posture.syslog", _ON),
    "syslog_facility": ("posture.syslog", unknown),
    "syslog_ident": ("posture.syslog", unknown),
    "pgaudit.log": ("posture.pgaudit", audited),
    "pgaudit.log_catalog": ("posture.pgaudit", _ON),
    "pgaudit.log_relation": ("posture.pgaudit", _ON),
    "pgaudit.log_statement_once": ("posture.pgaudit", _OFF),
    "track_activities": ("posture.statement_statistics", _ON),
    "track_commit_timestamp": ("posture.statement_statistics", _ON),
    "compute_query_id": ("posture.statement_statistics", ordered("off", "auto|regress|on")),
    "pg_stat_statements.track": ("posture.statement_statistics", ordered("none", "top", "all")),
    "auto_explain.log_parameter_max_length": ("posture.log_parameters", number(more=_W, less=_S, off=-1)),
}
_PATTERNS: dict[str, tuple[str, Judge]] = {
    "pgaudit.*": ("posture.pgaudit", unknown),
    "ssl_*": ("posture.tls_certificates", unknown),
    "krb_*": ("posture.gss", unknown),
    "gss_*": ("posture.gss", unknown),
    "oauth_*": ("posture.oauth", unknown),
    "recovery_*": ("posture.standby", unknown),
    # How often, how much and how long: of these a server's speed depends, and not whether what it wrote is safe.
    "autovacuum_*": ("posture.setting", neutral),
    "checkpoint_*": ("posture.setting", neutral),
    "commit_*": ("posture.setting", neutral),
    "max_standby_*": ("posture.setting", neutral),
    "wal_*": ("posture.setting", neutral),
    "track_*": ("posture.setting", neutral),
    "pg_stat_statements.*": ("posture.setting", neutral),
    "auto_explain.*": ("posture.setting", neutral),
    "log_rotation_*": ("posture.setting", neutral),
    "log_*": ("posture.log_events", unknown),
    "debug_*": ("posture.debug", unknown),
    "summarize_wal": ("posture.setting", neutral),
    "stats_fetch_consistency": ("posture.setting", neutral),
    "cluster_name": ("posture.setting", neutral),
    "application_name": ("posture.setting", neutral),
    "bonjour*": ("posture.listen_addresses", unknown),
}
_HARMLESS = ("plpgsql.", "pg_stat_monitor.", "pg_hint_plan.", "pg_prewarm.", "citus.", "timescaledb.", "hypopg.")


def _plain(value: str | None) -> str:
    lower = (value or "").strip().lower()
    return _WORDS.get(lower, lower)


def _listed(value: str) -> frozenset[str]:
    """Log_connections was a truth before it was a list."""
    words = {part.strip().strip('"').lower() for part in value.split(",")}
    return frozenset(_WORDS.get(word, word) for word in words) - {"", "off", "none"}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
