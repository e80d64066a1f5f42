/* trimtab: relations that are not the user's data: catalogs, information_schema, what extensions own, and sequences,
   which only a dump reads */
select n.nspname::text as schema, c.relname::text as name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'v', 'm', 'f', 'p', 'S')
   and (c.relkind = 'S' or n.nspname in ('pg_catalog', 'information_schema')
        or exists (select from pg_catalog.pg_depend e
                    where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'))
