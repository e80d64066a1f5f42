/* trimtab: of the functions named ($1: schemas as written, '' for none; $2: names), those that are not PostgreSQL's: may
   one have effects, and may one of the user's own run queries? Whatever their arguments */
select w.schema,
       w.name,
       pg_catalog.bool_or(p.provolatile = 'v') as is_volatile,
       pg_catalog.bool_or(p.provolatile <> 'i' and p.prokind = 'f' and l.lanname not in ('c', 'internal')
                          and not exists (select from pg_catalog.pg_depend e
                                           where e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = p.oid
                                             and e.deptype = 'e')) as hides_work
  from unnest($1::text[], $2::text[]) as w(schema, name)
  join pg_catalog.pg_proc p on p.proname = w.name
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace and n.nspname not in ('pg_catalog', 'information_schema')
  join pg_catalog.pg_language l on l.oid = p.prolang
 where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_function_is_visible(p.oid))
 group by w.schema, w.name
