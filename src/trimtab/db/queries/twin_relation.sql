/* trimtab: a table, partitioned table or materialized view of the twin, by its written name */
select n.nspname::text as schema, c.relname::text as name, c.relkind = 'p' as is_partitioned
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.oid = pg_catalog.to_regclass($1::text)
   and c.relkind in ('r', 'p', 'm')
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
