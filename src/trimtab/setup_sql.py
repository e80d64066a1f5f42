"""The SQL that makes least-privilege roles for Trimtab. It is printed for a DBA to read; Trimtab never runs it."""

from __future__ import annotations

_ROLE_SQL = """\
-- Three roles for Trimtab. Read this, adapt it, and run it yourself as a superuser (psql -f FILE).
-- None of them has a password here: set one with \\password, or use peer, certificate or service-file authentication.

-- 1. Observing and dry runs: `trimtab optimize` without --apply needs no more. It cannot write.
CREATE ROLE trimtab_observe LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 8;
ALTER ROLE trimtab_observe SET default_transaction_read_only = on;
ALTER ROLE trimtab_observe SET statement_timeout = '60s';
ALTER ROLE trimtab_observe SET idle_in_transaction_session_timeout = '60s';
GRANT pg_monitor TO trimtab_observe;          -- pg_stat_statements with query texts, settings, sizes
GRANT pg_read_all_data TO trimtab_observe;    -- planner statistics for the twin, rows for the clone (14 and later)
-- Narrower: instead of pg_read_all_data grant SELECT on the tables and sequences that Trimtab may see. What it may not
-- see is not in the clone, and is named.
-- Row-level security: tables that have it are not in the clone, unless the role sees all of their rows:
-- ALTER ROLE trimtab_observe BYPASSRLS;

-- 2. Applying: `--apply`, `revert` and `resume`. As the first role, and the right to make these changes; none to rows.
CREATE ROLE trimtab_apply LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 8;
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

-- 3. What runs: Trimtab reads the workload from pg_stat_statements unless it is given a file. It needs
--    shared_preload_libraries = 'pg_stat_statements' in postgresql.conf (a restart), and then, in each database:
-- CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
"""


def role_sql() -> str:
    """Return the commented SQL."""
    return _ROLE_SQL
