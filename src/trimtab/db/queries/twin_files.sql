/* trimtab: the files of the twin's own relations */
select n.nspname::text as schema, c.relname::text as name, c.oid::bigint as oid,
       pg_catalog.pg_relation_filepath(c.oid) as path,
       am.amname::text as method
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_am am on am.oid = c.relam and c.relkind = 'i'
 where c.relkind in ('r', 'm', 'i')
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
