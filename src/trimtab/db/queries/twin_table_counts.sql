/* trimtab: what VACUUM and ANALYZE counted of tables: before 18, CREATE INDEX counts their empty files instead */
select n.nspname::text as schema, c.relname::text as name, c.relpages, c.reltuples, c.relallvisible
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.oid = any ($1::bigint[]::oid[])
