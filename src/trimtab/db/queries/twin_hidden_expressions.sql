/* trimtab: indexes with expressions whose statistics this role may not read, though it may read their table */
select n.nspname::text as schema, c.relname::text as name, tn.nspname::text as table_schema, t.relname::text as table
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
 where i.indexprs is not null
   and c.relkind = 'i'
   and c.reltuples > 0
   and not pg_catalog.has_table_privilege(c.oid, 'select')
   and pg_catalog.has_table_privilege(i.indrelid, 'select')
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
