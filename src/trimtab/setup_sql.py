"""The SQL that makes least-privilege roles for Trimtab, and that which lets a server refuse them more by itself.

Both are printed for a DBA to read; Trimtab never runs them.
"""

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
-- Planner statistics for the twin, rows for the clone:
DO $$ BEGIN
    IF pg_catalog.to_regrole('pg_read_all_data') IS NOT NULL THEN GRANT pg_read_all_data TO trimtab_explain; END IF;
END $$;
-- Before PostgreSQL 14 there is no such role. In each database, for each schema, and again for tables that are new:
-- GRANT USAGE ON SCHEMA public TO trimtab_explain, trimtab_apply;
-- GRANT SELECT ON ALL TABLES IN SCHEMA public TO trimtab_explain, trimtab_apply;
-- GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO trimtab_explain, trimtab_apply;
-- pg_read_all_data opens every table to the role, pg_authid with its password hashes too: the account that has it keeps
-- that secret. Narrower: instead of it grant SELECT on the tables and sequences that Trimtab may see. What it may not
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
DO $$ BEGIN
    IF pg_catalog.to_regrole('pg_read_all_data') IS NOT NULL THEN GRANT pg_read_all_data TO trimtab_apply; END IF;
END $$;                                       -- before PostgreSQL 14: as above
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
--    d) Settings for a function, which only locks of plans make: membership in the role that owns it. Settings for a
--       role need CREATEROLE, and from 16 on ADMIN on the role besides: Trimtab refuses a role that has it, and takes
--       another way to lock.

-- 4. Optional, for `trimtab backend` and the monitor's C and K: a role that ends statements and sessions of others on a
--    person's word. It sees statistics and query texts, no row, and changes nothing else. No other role gets this
--    right: all other commands refuse one that has it. PostgreSQL lets it signal no superuser's session. Without it,
--    cancelling is refused.
-- CREATE ROLE trimtab_signal LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 4;
-- ALTER ROLE trimtab_signal SET default_transaction_read_only = on;
-- ALTER ROLE trimtab_signal SET statement_timeout = '10s';
-- GRANT pg_read_all_stats, pg_signal_backend TO trimtab_signal;

-- `trimtab init --hardening` prints SQL with which the server refuses the first two roles still more by itself.

-- 5. What runs: Trimtab reads the workload from pg_stat_statements unless it is given a file. It needs
--    shared_preload_libraries = 'pg_stat_statements' in postgresql.conf (a restart), and then, in each database:
-- CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
"""


_HARDENING_SQL = """\
-- Optional, beside the roles that `trimtab init` prints: with this the server itself refuses trimtab_monitor and
-- trimtab_explain what otherwise Trimtab's own check alone keeps from being run as a read. Read it, adapt it, and run
-- it in each database, as a superuser (psql -f FILE). It can be run again; `trimtab init --undo-hardening` prints what
-- takes it back.

-- 1. Functions that everybody may call by PostgreSQL's default, and that do more than read. All roles that there are
--    keep them, through a role of their own, trimtab_not_reading. For a role that is made later:
--    GRANT trimtab_not_reading TO new_role. Functions that are made later are everybody's until this is run again.
--    a) advisory locks, NOTIFY, messages in the WAL, signals, sleep, large objects that are written, SQL out of a
--       string: trimtab_monitor and trimtab_explain do not keep them, but for the one lock that a run of Trimtab takes.
--    b) set_config and setseed, which sessions of Trimtab need, and functions of this database that are volatile or run
--       with the rights of their owner: everybody keeps them but trimtab_read. As this role, which cannot log in,
--       Trimtab runs the reads that it runs, of workloads and of agents. A text cannot leave it: that would take SET,
--       or set_config.
DO $hardening$
DECLARE
  own name[] := ARRAY['trimtab_monitor', 'trimtab_explain', 'trimtab_read', 'trimtab_not_reading'];
  keepers text;
  other name;
  wanted record;
BEGIN
  FOREACH other IN ARRAY ARRAY['trimtab_not_reading', 'trimtab_read'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = other) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', other);
    END IF;
  END LOOP;
  IF (SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = 'trimtab_explain') THEN
    ALTER ROLE trimtab_read BYPASSRLS;
  END IF;
  GRANT trimtab_read TO trimtab_explain, trimtab_apply;
  FOR other IN SELECT rolname FROM pg_catalog.pg_roles
                WHERE rolname !~ '^pg_' AND NOT rolsuper AND rolname <> ALL (own) LOOP
    EXECUTE pg_catalog.format('GRANT trimtab_not_reading TO %I', other);
  END LOOP;
  -- A role that is NOINHERIT has nothing by its membership: it keeps them by itself.
  SELECT pg_catalog.string_agg(pg_catalog.quote_ident(rolname), ', ') INTO keepers FROM pg_catalog.pg_roles
   WHERE rolname = 'trimtab_not_reading'
      OR NOT rolinherit AND rolname !~ '^pg_' AND NOT rolsuper AND rolname <> ALL (own);
  FOR wanted IN
    SELECT p.oid::regprocedure AS routine, found.by_reads_alone
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     CROSS JOIN LATERAL (SELECT CASE
             WHEN n.nspname = 'pg_catalog'
                  AND p.proname ~ ('^(pg_(try_)?advisory_.*|pg_notify|pg_sleep.*|pg_logical_emit_message'
                                   || '|pg_cancel_backend|pg_terminate_backend'
                                   || '|lo_create?|lo_from_bytea|lo_put|lo_unlink|lowrite|lo_truncate(64)?'
                                   || '|(query|cursor|table|schema|database)_to_xml.*|ts_stat)$') THEN false
             WHEN n.nspname = 'pg_catalog' AND p.proname IN ('set_config', 'setseed') THEN true
             WHEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                  AND (p.provolatile = 'v' OR p.prosecdef)
                  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) THEN true
           END AS by_reads_alone) found
     WHERE found.by_reads_alone IS NOT NULL
       AND pg_catalog.has_function_privilege('trimtab_not_reading', p.oid, 'EXECUTE') LOOP
    EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO %s', wanted.routine,
      keepers || CASE WHEN wanted.by_reads_alone THEN ', trimtab_monitor, trimtab_explain' ELSE '' END);
    EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', wanted.routine);
  END LOOP;
  -- By these two a run keeps other runs off its database, whoever applies and whoever only reads.
  GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(int, int) TO trimtab_explain;
  GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock(int, int) TO trimtab_explain;
  -- Who may see them is shown options of user mappings there: passwords. pg_dump needs the first.
  EXECUTE 'GRANT SELECT ON pg_catalog.pg_user_mappings, information_schema.user_mapping_options TO '
          || keepers || ', trimtab_monitor, trimtab_explain';
  REVOKE SELECT ON pg_catalog.pg_user_mappings, information_schema.user_mapping_options FROM PUBLIC;
END
$hardening$;

-- 2. Instead of pg_read_all_data, which opens pg_authid with its password hashes too: the tables of this database that
--    are no system's. Run it again, or ALTER DEFAULT PRIVILEGES, for those that are made later: what trimtab_explain
--    may not see is not in a clone, and is named; what trimtab_read may not see is planned, and not run.
DO $hardening$
DECLARE
  place name;
BEGIN
  IF pg_catalog.to_regrole('pg_read_all_data') IS NOT NULL THEN  -- 14 and later
    REVOKE pg_read_all_data FROM trimtab_explain;
  END IF;
  FOR place IN SELECT nspname FROM pg_catalog.pg_namespace
                WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO trimtab_read', place);
    EXECUTE pg_catalog.format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO trimtab_read', place);
    EXECUTE pg_catalog.format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO trimtab_read', place);
  END LOOP;
END
$hardening$;
"""


_UNDO_HARDENING_SQL = """\
-- Takes back what `trimtab init --hardening` printed. Run it as a superuser in each database where that was run: the
-- roles trimtab_not_reading and trimtab_read go with the last one. Roles that are NOINHERIT keep their own grants.
DO $undo$
DECLARE
  kept record;
BEGIN
  FOR kept IN SELECT DISTINCT p.oid::regprocedure AS routine
                FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) given
               WHERE given.grantee = 'trimtab_not_reading'::regrole LOOP
    EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO PUBLIC', kept.routine);
    EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM trimtab_monitor, trimtab_explain', kept.routine);
  END LOOP;
  GRANT SELECT ON pg_catalog.pg_user_mappings, information_schema.user_mapping_options TO PUBLIC;
  REVOKE SELECT ON pg_catalog.pg_user_mappings, information_schema.user_mapping_options
    FROM trimtab_monitor, trimtab_explain;
  DROP OWNED BY trimtab_not_reading, trimtab_read;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_authid'::regclass
                  AND refobjid IN ('trimtab_not_reading'::regrole, 'trimtab_read'::regrole)) THEN
    IF pg_catalog.to_regrole('pg_read_all_data') IS NOT NULL THEN  -- 14 and later
      GRANT pg_read_all_data TO trimtab_explain;
    END IF;
    DROP ROLE trimtab_not_reading, trimtab_read;
  END IF;
END
$undo$;
"""


def role_sql() -> str:
    """Return the commented SQL."""
    return _ROLE_SQL


def hardening_sql() -> str:
    """Return the commented SQL that goes beyond roles: it takes rights from PUBLIC, which is the owner's decision."""
    return _HARDENING_SQL


def undo_hardening_sql() -> str:
    """Return the SQL that takes back what `hardening_sql` did in a database."""
    return _UNDO_HARDENING_SQL
