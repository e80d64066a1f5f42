/* trimtab: the length in pages of every table, materialized view and index of a user's schema */
select n.nspname as schema, c.relname as name,
       pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint as pages
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm', 'i')
   and c.relpersistence <> 't'
   and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   and pg_catalog.pg_relation_size(c.oid) is not null
