"""The SQL that makes least-privilege roles for Trimtab. It is printed for a DBA to read; Trimtab never runs it."""

from __future__ import annotations

_ROLE_SQL = """\
-- Three roles for Trimtab. Read this, adapt it, and run it yourself as a superuser (psql -f FILE).
-- None of them has a password here: set one with \\password, or use peer, certificate or service-file authentication.
-- Only the third can write. Use each for what it is for, and no superuser for any of it.

-- 1. Monitoring: `trimtab watch` of counters. It sees statistics and query texts, and no row.
CREATE ROLE trimtab_monitor LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 4;
ALTER ROLE trimtab_monitor SET default_transaction_read_only = on;
ALTER ROLE trimtab_monitor SET statement_timeout = '60s';
ALTER ROLE trimtab_monitor SET lock_timeout = '5s';
ALTER ROLE trimtab_monitor SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE trimtab_monitor SET temp_file_limit = '1GB';
GRANT pg_monitor TO trimtab_monitor;          -- pg_stat_statements with query texts, settings, sizes

-- 2. Explaining and dry runs: `trimtab optimize` without --apply, anchors, plan checks. It cannot write.
CREATE ROLE trimtab_explain LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 8;
ALTER ROLE trimtab_explain SET default_transaction_read_only = on;
ALTER ROLE trimtab_explain SET statement_timeout = '60s';
ALTER ROLE trimtab_explain SET lock_timeout = '5s';
ALTER ROLE trimtab_explain SET idle_in_transaction_session_timeout = '60s';
GRANT pg_monitor TO trimtab_explain;
GRANT pg_read_all_data TO trimtab_explain;    -- planner statistics for the twin, rows for the clone (14 and later)
-- It opens every table to the role, pg_authid with its password hashes too: the account that has it keeps that secret.
-- Narrower: instead of pg_read_all_data grant SELECT on the tables and sequences that Trimtab may see. What it may not
-- see is not in the clone, and is named.
-- Row-level security: tables that have it are not in the clone, unless the role sees all of their rows:
-- ALTER ROLE trimtab_explain BYPASSRLS;
-- Every role may make temporary tables, unless that right is taken from all. In each database, if nobody needs them:
-- REVOKE TEMPORARY ON DATABASE database_name FROM PUBLIC;
-- Before PostgreSQL 15 every role may also create in schema public:
-- REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- 3. Applying: `--apply`, `revert` and `resume`. As the second role, and the right to make these changes; none to rows.
CREATE ROLE trimtab_apply LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 8;
ALTER ROLE trimtab_apply SET lock_timeout = '5s';
GRANT pg_monitor TO trimtab_apply;
GRANT pg_read_all_data TO trimtab_apply;
-- ALTER ROLE trimtab_apply BYPASSRLS;        -- as above: `--apply` makes a clone too
--    a) Only a table's owner may index it or make statistics on it: membership in the roles that own the tables. It
--       brings all that these roles may do; PostgreSQL has no smaller right. Name only those owners:
-- GRANT table_owner TO trimtab_apply;
--    b) Besides, CREATE on the schema of the tables: to own a table is not enough, neither to index it nor to put back
--       an index that was dropped. Not needed where the owner named in a) has it, as the owner of a schema does. On
--       schema public PostgreSQL 15 and later give it to the database's owner alone. In each database, for each schema:
-- GRANT CREATE ON SCHEMA public TO trimtab_apply;
--    c) Only a database's owner may run ALTER DATABASE ... SET. Leave this out, and settings are refused, not tried:
-- GRANT database_owner TO trimtab_apply;
--    d) Settings for a role, or for a function, which only locks of plans make: ADMIN on the role; membership in the
--       role that owns the function.

-- 4. What runs: Trimtab reads the workload from pg_stat_statements unless it is given a file. It needs
--    shared_preload_libraries = 'pg_stat_statements' in postgresql.conf (a restart), and then, in each database:
-- CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
"""


def role_sql() -> str:
    """Return the commented SQL."""
    return _ROLE_SQL
