/* trimtab: where is pg_stat_statements installed? */
select n.nspname::text as schema, e.extversion as version
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
 where e.extname = 'pg_stat_statements'
