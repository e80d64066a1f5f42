/* trimtab: extensions of this database */
select array[e.extname::text] as key, e.extversion as version, n.nspname::text as schema,
       pg_catalog.pg_get_userbyid(e.extowner)::text as owner
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
