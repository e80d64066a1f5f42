/* trimtab: what is the index of oid $1 on the table of oid $2 called now? */
select n.nspname::text as schema, c.relname::text as name
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where i.indexrelid = $1::oid
   and i.indrelid = $2::oid
   and c.relkind = 'i'
