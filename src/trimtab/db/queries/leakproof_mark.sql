/* trimtab: mark these functions LEAKPROOF ($1: schemas, $2: names, $3: types of arguments, as leakproof_functions) */
update pg_catalog.pg_proc p
   set proleakproof = true
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]))
       as w(schema, name, types)
  join pg_catalog.pg_namespace n on n.nspname = w.schema
 where p.pronamespace = n.oid
   and p.proname = w.name
   and n.nspname !~ '^pg_'
   and w.types = (select coalesce(pg_catalog.string_agg(tn.nspname::text || '.'::text || t.typname::text, ',' order by a.place), '')
                    from pg_catalog.unnest(p.proargtypes) with ordinality as a(oid, place)
                    join pg_catalog.pg_type t on t.oid = a.oid
                    join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace)
