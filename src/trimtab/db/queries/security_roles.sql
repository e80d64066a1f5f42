/* trimtab: all roles and what they may by themselves */
select array[r.rolname::text] as key,
       r.rolsuper as is_superuser, r.rolinherit as inherits, r.rolcreaterole as may_create_roles,
       r.rolcreatedb as may_create_databases, r.rolcanlogin as may_log_in, r.rolreplication as may_replicate,
       r.rolbypassrls as bypasses_rls, r.rolconnlimit as connection_limit, to_char(nullif(r.rolvaliduntil, 'infinity') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as valid_until
  from pg_catalog.pg_roles r
