/* trimtab: the user's own functions that are LEAKPROOF: schema, name, types of arguments */
select n.nspname::text as schema,
       p.proname::text as name,
       (select coalesce(pg_catalog.string_agg(tn.nspname::text || '.'::text || t.typname::text, ',' order by a.place), '')
          from pg_catalog.unnest(p.proargtypes) with ordinality as a(oid, place)
          join pg_catalog.pg_type t on t.oid = a.oid
          join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace) as types
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where p.proleakproof
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   and not exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
 order by 1, 2, 3
