"""Everything that a difference can be about: its stable code, what it is, and where benchmarks speak of it.

The numbers are those of the CIS PostgreSQL 17 Benchmark v1.1.0 and of pgdsat 2, where they speak of the same thing;
where they do not there is none. `is_blocked` says that Trimtab never does it itself, whatever a specification says.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that security consists of."""

    code: str
    what: str
    is_blocked: bool
    cis: tuple[str, ...]
    pgdsat: tuple[str, ...]


def item(code: str) -> Item:
    """Return the item of a code. Raises KeyError for one that does not exist."""
    return _BY_CODE[code]


def _items(is_blocked: bool, text: str) -> tuple[Item, ...]:
    """Read lines of `code | what | CIS | pgdsat`; one number stands for both where pgdsat has the same."""
    found = []
    for line in text.strip().splitlines():
        name, what, cis, *more = (part.strip() for part in line.split("|"))
        pgdsat = more[0] if more else cis
        found.append(Item(f"posture.{name}", what, is_blocked, _numbers(cis), _numbers(pgdsat)))
    return tuple(found)


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.replace(",", " ").split() if part)


_BLOCKED = _items(
    True,
    """
fsync | fsync, wal_sync_method: what is committed is on disk | 6.4
full_page_writes | full_page_writes: a torn page can be mended | 6.4
data_checksums | data checksums: a damaged page is noticed | | 1.4.3
synchronous_commit | synchronous_commit: commit waits for the disk, or for a standby | 6.6
wal_level | wal_level: enough is written for archives and standbys | 6.3, 7.5
archiving | archive_mode, archive_command and the like: WAL is archived | 7.4
standby | what keeps standbys fed, and what a standby follows | 7.5
restart_after_crash | restart_after_crash | 6.4
data_sync_retry | data_sync_retry: a failed flush is not taken for a good one | 6.3
checksum_failures | ignore_checksum_failure | 6.5
damaged_pages | zero_damaged_pages | 6.5
invalid_pages | ignore_invalid_pages | 6.3
system_indexes | ignore_system_indexes | 6.2
system_tables | allow_system_table_mods, allow_in_place_tablespaces | 6.5
alter_system | allow_alter_system | 6.4
replication_role | session_replication_role: triggers and foreign keys fire | 6.5
event_triggers | event_triggers: event triggers fire | 6.5
function_checks | check_function_bodies, and what PL/pgSQL checks | 6.6
autovacuum | autovacuum and track_counts, of a table too: wraparound stays far | 6.4
row_security | row_security | 6.6, 4.7
search_path | search_path: which objects a name means | 6.6
tls | ssl: connections can be encrypted | 6.8 | 5.8 6.8
tls_version | ssl_min_protocol_version, ssl_max_protocol_version | 6.9 | 6.8
tls_ciphers | ssl_ciphers, ssl_tls13_ciphers, ssl_prefer_server_ciphers | 6.10
tls_key_exchange | ssl_groups, ssl_ecdh_curve, ssl_dh_params_file | 6.8
tls_certificates | ssl_cert_file, ssl_key_file, ssl_ca_file and the like | 6.8
gss | krb_* and gss_*: Kerberos | |
oauth | oauth_*: who says whether a token holds | |
password_hashing | password_encryption: how new passwords are hashed | 6.6 | 5.12
scram_iterations | scram_iterations | 6.6
md5_warnings | md5_password_warnings | |
listen_addresses | listen_addresses and port | 5.2
unix_socket | unix_socket_directories, _permissions, _group | 5.3 | 2.6 5.3
hba_file | hba_file, ident_file: which file says who may come in | 6.3
authentication_timeout | authentication_timeout | 6.4 | 5.7
user_namespace | db_user_namespace | |
large_objects | lo_compat_privileges: large objects are not for everybody | 6.5
nonsystem_relations | restrict_nonsystem_relation_kind | 6.6
createrole_self_grant | createrole_self_grant | 6.6
reserved_connections | reserved_connections, superuser_reserved_connections | 6.3
preload_libraries | shared_, session_ and local_preload_libraries: what is loaded | 6.3, 6.5, 6.6
library_path | dynamic_library_path, extension_control_path, jit_provider, output_plugin_libraries | 6.5
string_escapes | standard_conforming_strings, backslash_quote: what ends a literal | 6.6
isolation | default_transaction_isolation | 6.6
read_only | default_transaction_read_only | 6.6
logging_collector | logging_collector | 3.1.3
log_destination | log_destination | 3.1.2
log_files | log_directory, log_filename, log_truncate_on_rotation | 3.1.4, 3.1.5, 3.1.7
log_file_mode | log_file_mode: who may read the log | 3.1.6
log_connections | log_connections | 3.1.20
log_disconnections | log_disconnections | 3.1.21
log_statement | log_statement | 3.1.25
log_errors | log_min_messages, log_min_error_statement, log_error_verbosity | 3.1.14, 3.1.15, 3.1.22
log_line_prefix | log_line_prefix | 3.1.24
log_replication | log_replication_commands | 7.2
log_duration | log_min_duration_statement and the like | 6.5
log_events | log_lock_waits, log_checkpoints, log_temp_files and other log_* | 6.5, 6.4
log_parameters | log_parameter_max_length and the like: values of statements in the log | 6.5, 6.6
debug_print | debug_print_parse, _rewritten, _plan: literals in the log | 3.1.16, 3.1.17, 3.1.18
debug | other debug_* settings | 6.6
syslog | syslog_* | 3.1.10, 3.1.11, 3.1.12, 3.1.13
pgaudit | pgaudit.* | 3.2
statement_statistics | track_activities, compute_query_id, pg_stat_statements.track | 6.5
setting_guarded | another setting that guards durability, integrity, access or evidence | |
custom_setting | a setting of an extension or of the application; policies may read it | |
pending_restart | a guarding setting will be another one after a restart | 6.3
row_level_security | ROW LEVEL SECURITY of a table | 4.7
row_level_security_forced | FORCE ROW LEVEL SECURITY of a table | 4.7
policy | a row security policy, as a whole | 4.7
policy_changed | what a policy checks | 4.7
policy_kind | whether a policy is permissive or restrictive | 4.7
policy_roles | whom a policy is for | 4.7
view_barrier | security_barrier of a view | 4.7
view_invoker | security_invoker of a view | 4.7
view_check_option | WITH CHECK OPTION of a view | |
view_definition | what a view shows | |
view_as_owner | a new view with its owner's rights that others have rights on | | 4.6
view_over_row_security | a view that shows its owner's rows of a table with row security | 4.7
matview_over_row_security | a materialized view over a table with row security | 4.7
leakproof | a function marked LEAKPROOF | 4.7
definer | SECURITY DEFINER: a function with its owner's rights | 4.5
definer_path | such a function without a search_path of its own, or with another one | 4.5
function_path | the search_path of another function | |
function_body | what a function does | |
function_language | the language of a function | |
function_setting | another setting of a function | |
function_volatility | what a function is said to depend on | |
function_strict | whether a function is called with NULL | |
function_arguments | names and defaults of a function's arguments | |
system_function | what one of PostgreSQL's own functions does | |
system_object | what one of PostgreSQL's own operators, casts, operator classes, access methods or aggregates is | |
cast | a cast, as a whole, or what it calls | |
cast_context | whether a cast is made by itself, on assignment, or where it is written | |
operator_function | which function an operator calls | |
operator_planning | which functions estimate an operator, and so see statistics; what it commutes with | |
operator_class_changed | what an operator class is, or that it is the default of its type | |
operator_family | which operators and functions are in an operator family | |
type_definition | which functions read and write a type | |
collation_changed | by what texts are compared, so which are equal | |
conversion_changed | what a conversion between encodings calls, or that it is the default | |
text_search_changed | what a text search configuration or dictionary is made of | |
access_method | an access method: code in the server's process | |
transform | by which functions values of a type reach a language | |
foreign_table | on which server a foreign table is, and what is read there | |
rewrite_rule | a rule that makes another statement of one | |
trigger_disabled | a trigger that fires less than before | |
trigger_removed | a trigger that is gone | |
trigger_changed | what a trigger does, or when | |
trigger | a new trigger on a table that was there | |
constraint_trigger | the trigger of a constraint that does not fire | |
event_trigger | an event trigger, as a whole, or what it is for | |
event_trigger_disabled | an event trigger that fires less than before | |
constraint | a constraint, as a whole | |
constraint_not_valid | a constraint that is not validated | |
constraint_not_enforced | a constraint that is not enforced | |
constraint_deferred | a constraint that may be checked later | |
constraint_changed | what a constraint says | |
not_null | NOT NULL of a column or a domain | |
column_default | the default of a column or a domain; whether it is generated | |
inheritance | a table that can be read through another one now | 4.7
index_unique | a unique index or primary key | |
index_exclusion | the index of an exclusion constraint | |
index_replica_identity | the index by which replicas are told rows | |
index_invalid | a unique index that is not valid | |
replica_identity | REPLICA IDENTITY of a table | |
unlogged | UNLOGGED: a table that a crash empties | |
owner | the owner of an object | 4.3
role_superuser | SUPERUSER | 4.3
role_bypass_rls | BYPASSRLS | 4.3, 4.7
role_replication | REPLICATION | 4.3, 7.1
role_create_role | CREATEROLE | 4.3
role_create_database | CREATEDB | 4.3
role_login | LOGIN | 4.3
role_inherit | INHERIT | |
role_connection_limit | CONNECTION LIMIT of a role | 5.5
role_valid_until | VALID UNTIL of a role | |
role | a role, as a whole | |
membership | a membership in a role | 4.3
membership_admin | a membership that may be passed on | 4.3
member_of_program | membership in pg_execute_server_program | 4.9, 4.3
member_of_files | membership in pg_read_server_files, pg_write_server_files | 4.9, 4.3
member_of_all_data | membership in pg_read_all_data, pg_write_all_data | 4.9, 4.6
member_of_maintain | membership in pg_maintain | 4.9
member_of_subscription | membership in pg_create_subscription | 4.9
member_of_server_control | membership in pg_checkpoint, pg_signal_backend and the like | 4.9
member_of_monitor | membership in pg_monitor, pg_read_all_settings and the like | 4.9
password_hash | how the password of a role is hashed | |
grant | another privilege | 4.6
grant_option | a privilege that may be passed on | 4.6
grant_public | a privilege for PUBLIC | 4.6 | 4.6 4.10
grant_column | a privilege on a column | 4.6
grant_function | EXECUTE on a function | 4.5
grant_create | CREATE in a schema or database | | 4.10
grant_trigger | TRIGGER on a table | 4.6
grant_references | REFERENCES to a table or column | 4.6
grant_truncate | TRUNCATE of a table | 4.6
grant_maintain | MAINTAIN of a table | 4.6
grant_default | what new objects are granted | 4.6
grant_parameter | SET or ALTER SYSTEM of a parameter | |
database_open | who may connect to a database | |
untrusted_language | a language in which functions may do what the server's account may | |
language | a language, or whether it is trusted | |
extension | an extension, as a whole | | 1.8
extension_version | the version of an extension | |
foreign_wrapper | a foreign-data wrapper | |
foreign_server | a foreign server | |
user_mapping | as whom a role reaches a foreign server | |
hba_unproven | a rule of pg_hba.conf with trust, password or ident | 5.3, 5.4
hba_rule | another rule of pg_hba.conf | 5.3, 5.4
hba_reject | a rule of pg_hba.conf that rejects | 5.3, 5.4
hba_order | the order of the rules of pg_hba.conf | 5.3, 5.4
hba_options | the options of a rule of pg_hba.conf | 5.4
ident_map | a line of pg_ident.conf | |
publication | a publication, as a whole | |
publication_all_tables | a publication FOR ALL TABLES | |
publication_tables | the tables of a publication | |
publication_operations | the operations of a publication | |
publication_filter | the columns, generated ones too, and rows that a publication gives away | |
subscription | a subscription, as a whole | |
subscription_password | password_required of a subscription | |
subscription_rights | run_as_owner of a subscription | |
replication_slot | a replication slot | |
security_label | a security label | |
server_version | the version of the server | 1.5
statistics_view | the view that CVE-2024-4317 is about, as it was before | 1.5
""",
)
_OTHERS = _items(
    False,
    """
setting | a setting that guards nothing | |
server | what else is known of the server | |
schema | a schema, as a whole | |
database | a database, as a whole | |
relation | a table, view or sequence, as a whole | |
function | a function, as a whole | |
operator | an operator, as a whole | |
operator_class | an operator class or family, as a whole | |
type | a type, as a whole | |
collation | a collation, as a whole | |
conversion | a conversion between encodings, as a whole | |
text_search | a text search configuration, dictionary, parser or template, as a whole | |
tablespace | a tablespace, as a whole | |
statistics_object | an extended statistics object, as a whole | |
large_object | a large object, as a whole | |
domain | a domain, as a whole | |
index | another index | |
index_changed | what an index that guards nothing is | |
personal_column | a column that a label or comment calls personal | |
section | a part of the snapshot that only one of the two has | |
unreadable | a part that could not be read on one side | |
other | something that no rule knows | |
""",
)
ITEMS = (*_BLOCKED, *_OTHERS)
_BY_CODE = {each.code: each for each in ITEMS}
