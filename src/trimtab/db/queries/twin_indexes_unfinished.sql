/* trimtab: hypothetical indexes of the twin, by a pattern of their names, but for the known ones */
select n.nspname::text as schema, c.relname::text as name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('i', 'I')
   and c.relname ~ $1::text
   and not c.relname = any ($2::text[])
 order by 1, 2
