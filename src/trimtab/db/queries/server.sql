/* trimtab: which server and database is this, and who are we on it? */
select pg_catalog.current_setting('server_version_num')::int as version,
       d.datname::text as database,
       d.oid as database_oid,
       current_user::text as "user",
       to_char(pg_catalog.pg_postmaster_start_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as started_at,
       pg_catalog.pg_is_in_recovery() as is_standby,
       r.rolsuper as is_superuser,
       (select t.spcname::text
          from pg_catalog.pg_tablespace t
         where t.spcname = pg_catalog.current_setting('default_tablespace')
           and t.oid <> d.dattablespace
           and not pg_catalog.has_tablespace_privilege(t.oid, 'create')) as forbidden_tablespace,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') as may_read_identifier,
       to_char(pg_catalog.clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as read_at
  from pg_catalog.pg_database d
  join pg_catalog.pg_roles r on r.rolname = current_user
 where d.datname = pg_catalog.current_database()
