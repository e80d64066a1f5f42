/* trimtab: tables that have columns of a range type and were analysed */
select distinct n.nspname::text as schema, c.relname::text as name
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid and t.typtype in ('r', 'm')
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm', 'p', 'f')
   and c.reltuples > 0
   and not a.attisdropped
   and pg_catalog.has_table_privilege(c.oid, 'select')
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
