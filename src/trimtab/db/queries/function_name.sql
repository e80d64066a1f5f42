/* trimtab: what is the function of oid $1 called now, with its types, all quoted? */
select '"' || replace(n.nspname, '"', '""') || '"."' || replace(p.proname, '"', '""') || '"('
       || coalesce((select pg_catalog.string_agg('"' || replace(tn.nspname, '"', '""') || '"."'
                                                 || replace(t.typname, '"', '""') || '"', ', ' order by k.place)
                      from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality as k(type, place)
                      join pg_catalog.pg_type t on t.oid = k.type
                      join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace), '') || ')' as signature
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where p.oid = $1::oid
