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
--    GRANT trimtab_not_reading TO new_role. Functions that are made later are everybody's until this is run again. Who
--    closes one of these functions later has to revoke it from trimtab_not_reading too, not from PUBLIC alone; who
--    closes a table to trimtab_explain, from trimtab_read too. Where a dump of this database is restored on another
--    server, make both roles there first (or restore without privileges).
--    a) advisory locks, NOTIFY, messages in the WAL, signals, sleep, large objects that are written, SQL out of a
--       string: trimtab_monitor and trimtab_explain do not keep them, but for the one lock that a run of Trimtab takes.
--    b) set_config and setseed, which sessions of Trimtab need, and functions of this database that are volatile, run
--       with the rights of their owner or reach other servers: everybody keeps them but trimtab_read. As this role,
--       which cannot log in, Trimtab runs the reads that it runs, of workloads and of agents. A text cannot leave it:
--       that would take SET, or set_config.
DO $hardening$
DECLARE
  own name[] := ARRAY['trimtab_monitor', 'trimtab_explain', 'trimtab_read', 'trimtab_not_reading'];
  keepers text;
  other name;
  wanted record;
  sees_all_rows bool;
BEGIN
  FOREACH other IN ARRAY ARRAY['trimtab_monitor', 'trimtab_explain', 'trimtab_apply'] LOOP
    IF pg_catalog.to_regrole(other) IS NULL THEN
      RAISE EXCEPTION 'there is no role %', other USING HINT = 'Run what `trimtab init` prints first.';
    END IF;
  END LOOP;
  FOREACH other IN ARRAY ARRAY['trimtab_not_reading', 'trimtab_read'] LOOP
    IF (SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = other) THEN
      RAISE EXCEPTION 'there is a role % already, which may log in: it is not that of this hardening', other;
    ELSIF pg_catalog.to_regrole(other) IS NULL THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', other);
    END IF;
  END LOOP;
  FOR wanted IN SELECT polname, polrelid::regclass AS relation FROM pg_catalog.pg_policy
                 WHERE 'trimtab_explain'::regrole = ANY (polroles) AND NOT 'trimtab_read'::regrole = ANY (polroles) LOOP
    RAISE EXCEPTION 'policy % on % is for trimtab_explain, and reads will be run as trimtab_read', wanted.polname,
      wanted.relation USING HINT = 'CREATE ROLE trimtab_read NOLOGIN, and name it in the policy too.';
  END LOOP;
  -- It sees the rows that trimtab_explain sees. trimtab_apply may be it where it sees as much by itself.
  SELECT rolbypassrls INTO sees_all_rows FROM pg_catalog.pg_roles WHERE rolname = 'trimtab_explain';
  EXECUTE 'ALTER ROLE trimtab_read ' || CASE WHEN sees_all_rows THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END;
  GRANT trimtab_read TO trimtab_explain;
  IF EXISTS (SELECT FROM pg_catalog.pg_auth_members
              WHERE roleid = pg_catalog.to_regrole('pg_read_all_data') AND member = 'trimtab_apply'::regrole)
     AND (NOT sees_all_rows OR (SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = 'trimtab_apply')) THEN
    GRANT trimtab_read TO trimtab_apply;
  ELSIF pg_catalog.pg_has_role('trimtab_apply', 'trimtab_read', 'MEMBER') THEN
    REVOKE trimtab_read FROM trimtab_apply;
  END IF;
  FOR other IN SELECT rolname FROM pg_catalog.pg_roles
                WHERE rolname !~ '^pg_' AND NOT rolsuper AND rolname <> ALL (own) LOOP
    EXECUTE pg_catalog.format('GRANT trimtab_not_reading TO %I', other);
    IF pg_catalog.pg_has_role('trimtab_explain', other, 'USAGE')
       OR pg_catalog.pg_has_role('trimtab_monitor', other, 'USAGE') THEN
      RAISE WARNING 'trimtab_explain or trimtab_monitor is a member of %, and keeps what that role keeps', other;
    END IF;
  END LOOP;
  -- A role that is NOINHERIT has nothing by its membership: it keeps them by itself.
  SELECT pg_catalog.string_agg(pg_catalog.quote_ident(rolname), ', ') INTO keepers FROM pg_catalog.pg_roles
   WHERE rolname = 'trimtab_not_reading'
      OR NOT rolinherit AND rolname !~ '^pg_' AND NOT rolsuper AND rolname <> ALL (own);
  FOR wanted IN
    SELECT p.oid::regprocedure AS function, found.by_reads_alone
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     CROSS JOIN LATERAL (SELECT CASE
             WHEN n.nspname = 'pg_catalog'
                  AND (p.proname ~ ('^(pg_(try_)?advisory_.*|pg_notify|pg_sleep.*|pg_logical_emit_message'
                                    || '|pg_cancel_backend|pg_terminate_backend|txid_current|pg_current_xact_id'
                                    || '|lo_create?|lo_from_bytea|lo_put|lo_unlink|lowrite|lo_truncate(64)?'
                                    || '|(query|cursor|table|schema|database)_to_xml.*|ts_stat)$')
                       OR p.oid = 'pg_catalog.ts_rewrite(tsquery, text)'::regprocedure) THEN false
             WHEN n.nspname = 'pg_catalog' AND p.proname IN ('set_config', 'setseed') THEN true
             WHEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
                  AND (p.provolatile = 'v' OR p.prosecdef OR p.proname ~ '^(dblink|crosstab|connectby|xpath_table)'
                       OR EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) AS c(setting)
                                   WHERE c.setting ~ '^(role|session_authorization)=')
                       OR EXISTS (SELECT FROM pg_catalog.pg_aggregate a  -- what it is made of, its owner may call
                                    JOIN pg_catalog.pg_proc part
                                      ON part.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
                                                      a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
                                   WHERE a.aggfnoid = p.oid AND (part.provolatile = 'v' OR part.prosecdef))) THEN true
           END AS by_reads_alone) found
     WHERE found.by_reads_alone IS NOT NULL AND p.prokind <> 'p'  -- no SELECT calls a procedure
       AND pg_catalog.has_function_privilege('trimtab_not_reading', p.oid, 'EXECUTE') LOOP
    EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %s', wanted.function,
      keepers || CASE WHEN wanted.by_reads_alone THEN ', trimtab_monitor, trimtab_explain' ELSE '' END);
    EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', wanted.function);
    IF pg_catalog.has_function_privilege('trimtab_read', wanted.function::oid, 'EXECUTE') THEN
      RAISE WARNING 'function % stays open: somebody beside its owner has granted it', wanted.function;
    END IF;
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
--    are no system's; where trimtab_explain never had that, those that it may read already. Foreign tables, and views
--    and partitioned tables that read one, are not among them for trimtab_read. Run it again, or ALTER DEFAULT
--    PRIVILEGES, for those that are made later: what trimtab_explain may not see is not in a clone, and is named; what
--    trimtab_read may not see is planned, and not run.
DO $hardening$
DECLARE
  all_tables CONSTANT text := 'trimtab: trimtab_explain had pg_read_all_data';
  place record;
  had_all bool := pg_catalog.shobj_description('trimtab_read'::regrole, 'pg_authid') IS NOT DISTINCT FROM all_tables;
BEGIN
  IF pg_catalog.to_regrole('pg_read_all_data') IS NOT NULL  -- 14 and later
     AND EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE roleid = pg_catalog.to_regrole('pg_read_all_data')
                    AND member = 'trimtab_explain'::regrole) THEN
    EXECUTE pg_catalog.format('COMMENT ON ROLE trimtab_read IS %L', all_tables);
    REVOKE pg_read_all_data FROM trimtab_explain;
    had_all := true;
  END IF;
  IF pg_catalog.to_regrole('pg_read_all_data') IS NOT NULL
     AND pg_catalog.pg_has_role('trimtab_explain', 'pg_read_all_data', 'USAGE') THEN
    RAISE WARNING 'trimtab_explain has pg_read_all_data by another role: pg_authid stays open to it';
  END IF;
  FOR place IN SELECT nspname, oid FROM pg_catalog.pg_namespace
                WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
                  AND (had_all OR pg_catalog.has_schema_privilege('trimtab_explain', oid, 'USAGE')) LOOP
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO trimtab_read', place.nspname);
  END LOOP;
  FOR place IN
    WITH RECURSIVE reading(oid) AS (  -- foreign tables, and what reads them
      SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'f'
      UNION
      SELECT found.oid FROM reading
       CROSS JOIN LATERAL (
         SELECT i.inhparent AS oid FROM pg_catalog.pg_inherits i WHERE i.inhrelid = reading.oid
         UNION ALL
         SELECT r.ev_class FROM pg_catalog.pg_depend d
           JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
          WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = reading.oid AND r.ev_class <> reading.oid) found)
    SELECT c.oid::regclass AS name, c.oid IN (SELECT oid FROM reading) AS is_foreign, c.relkind
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND (had_all OR pg_catalog.has_table_privilege('trimtab_explain', c.oid, 'SELECT')) LOOP
    EXECUTE pg_catalog.format('GRANT SELECT ON %s TO %s', place.name,
      CASE WHEN place.is_foreign AND place.relkind <> 'm' THEN 'trimtab_explain' ELSE 'trimtab_read' END);
  END LOOP;
END
$hardening$;
"""


_UNDO_HARDENING_SQL = """\
-- Takes back what `trimtab init --hardening` printed. Run it as a superuser in each database where that was run: the
-- roles trimtab_not_reading and trimtab_read go with the last one, and trimtab_explain has pg_read_all_data again with
-- the first, where it had that. Roles that are NOINHERIT keep their own grants. What trimtab_monitor and
-- trimtab_explain were granted by themselves, of the same functions and tables, they lose: they have it by PUBLIC and
-- by that role.
DO $undo$
DECLARE
  kept record;
BEGIN
  IF pg_catalog.to_regrole('trimtab_monitor') IS NULL OR pg_catalog.to_regrole('trimtab_explain') IS NULL THEN
    RAISE EXCEPTION 'there are no roles trimtab_monitor and trimtab_explain'
      USING HINT = 'Run what `trimtab init` prints first: rights that they were given are taken back.';
  ELSIF pg_catalog.to_regrole('trimtab_read') IS NULL OR pg_catalog.to_regrole('trimtab_not_reading') IS NULL THEN
    RAISE EXCEPTION 'there are no roles trimtab_read and trimtab_not_reading: this server was not hardened'
      USING HINT = 'In a restored dump functions may be closed to PUBLIC: make both roles, grant '
                   'trimtab_not_reading what the dump grants it, and run this again.';
  END IF;
  FOR kept IN SELECT DISTINCT p.oid::regprocedure AS function
                FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) given
               WHERE given.grantee = 'trimtab_not_reading'::regrole LOOP
    EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', kept.function);
    BEGIN
      EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM trimtab_monitor, trimtab_explain', kept.function);
    EXCEPTION WHEN dependent_objects_still_exist THEN
      RAISE WARNING 'trimtab_explain or trimtab_monitor keeps %, which it has granted to others', kept.function;
    END;
  END LOOP;
  GRANT SELECT ON pg_catalog.pg_user_mappings, information_schema.user_mapping_options TO PUBLIC;
  REVOKE SELECT ON pg_catalog.pg_user_mappings, information_schema.user_mapping_options
    FROM trimtab_monitor, trimtab_explain;
  IF pg_catalog.shobj_description('trimtab_read'::regrole, 'pg_authid') IS NOT NULL THEN
    GRANT pg_read_all_data TO trimtab_explain;
    FOR kept IN SELECT DISTINCT c.oid::regclass AS name
                  FROM pg_catalog.pg_class c
                  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) given
                 WHERE given.grantee = 'trimtab_explain'::regrole AND given.privilege_type = 'SELECT'
                   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LOOP
      BEGIN
        EXECUTE pg_catalog.format('REVOKE SELECT ON %s FROM trimtab_explain', kept.name);  -- it has it by the role
      EXCEPTION WHEN dependent_objects_still_exist THEN
        RAISE WARNING 'trimtab_explain keeps SELECT on %, which it has granted to others', kept.name;
      END;
    END LOOP;
  END IF;
  DROP OWNED BY trimtab_not_reading, trimtab_read;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_authid'::regclass
                  AND refobjid IN ('trimtab_not_reading'::regrole, 'trimtab_read'::regrole)) THEN
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
