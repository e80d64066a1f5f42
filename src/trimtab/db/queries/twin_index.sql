/* trimtab: schema, table and name of an index of the twin, by its written name */
select n.nspname::text as schema, t.relname::text as table_name, c.relname::text as name
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.oid = pg_catalog.to_regclass($1::text)
