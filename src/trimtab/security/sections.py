"""The sections of a snapshot in their order: the catalog query of each, and what a role needs that is to read it.

Adding one means: a query, a line here, a rule that judges its differences, and a row in docs/security.md.
"""

from __future__ import annotations

from dataclasses import dataclass

SECRET_SETTINGS = (
    "archive_cleanup_command",
    "archive_command",
    "primary_conninfo",
    "recovery_end_command",
    "restore_command",
    "ssl_passphrase_command",
)
"""Settings whose values may hold passwords or the like: only a digest is kept."""

PLAIN_PREFIXES = r"^(auto_explain|pg_stat_statements|pg_stat_monitor|pgaudit|plpgsql|track_io)[.]"
"""Settings of extensions whose values are words and numbers. Of all others with a dot, only digests are kept."""

OWN_SESSION_SETTINGS = (
    "application_name",
    "client_encoding",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
)
"""What every session of ours sets for itself: its value there says nothing of the server."""

MOST_LARGE_OBJECTS = 10_000
"""There can be millions of them; those that others than their owners may use are read first."""

SECRETS = (list(SECRET_SETTINGS), PLAIN_PREFIXES)


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of rows. `needs` says what a role must have that is to read it; "" when every role may."""

    name: str
    needs: str = ""
    parameters: tuple[object, ...] = ()
    is_plain: bool = False
    """True when a key is shown as it is, not as a quoted name."""
    most: int | None = None
    """How many rows are kept; where there are more, the section is read in part."""

    @property
    def query(self) -> str:
        """The name of its catalog query."""
        return f"security_{self.name}"


SECTIONS = (
    Section("server"),
    Section("settings", "pg_read_all_settings", (*SECRETS, list(OWN_SESSION_SETTINGS)), is_plain=True),
    Section(
        "file_settings",
        "a superuser, or SELECT on pg_file_settings and EXECUTE on pg_show_all_file_settings()",
        SECRETS,
        is_plain=True,
    ),
    Section("role_settings", parameters=SECRETS),
    Section("roles"),
    Section("memberships"),
    Section("passwords", "a superuser"),
    Section("grants"),
    Section("parameter_grants"),
    Section("default_privileges"),
    Section("databases"),
    Section("schemas"),
    Section("relations"),
    Section("policies"),
    Section("rules"),
    Section("functions", is_plain=True),
    Section("triggers"),
    Section("event_triggers"),
    Section("constraints"),
    Section("domains"),
    Section("indexes"),
    Section("publications"),
    Section("subscriptions"),
    Section("replication_slots"),
    Section("extensions"),
    Section("languages"),
    Section("foreign_wrappers"),
    Section("foreign_servers"),
    Section("user_mappings"),
    Section("hba", "a superuser, or SELECT on pg_hba_file_rules and EXECUTE on pg_hba_file_rules()", is_plain=True),
    Section("ident", "a superuser, or SELECT on pg_ident_file_mappings and EXECUTE on pg_ident_file_mappings()"),
    Section("casts"),
    Section("operators"),
    Section("operator_classes"),
    Section("operator_families"),
    Section("types"),
    Section("aggregates", is_plain=True),
    Section("collations"),
    Section("conversions"),
    Section("text_search"),
    Section("access_methods"),
    Section("transforms"),
    Section("tablespaces"),
    Section("foreign_tables"),
    Section("statistics_objects"),
    Section("large_objects", parameters=(MOST_LARGE_OBJECTS,), most=MOST_LARGE_OBJECTS),
    Section("labels"),
    Section("personal_columns"),
)
