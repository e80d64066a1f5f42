/* trimtab: casts of users: what converts what, by itself (i), on assignment (a) or when it is written (e). Those of the
   system have one digest with its other objects. */
select array[sn.nspname::text, s.typname::text, tn.nspname::text, t.typname::text] as key,
       c.castcontext::text as context, c.castmethod::text as method,
       case when c.castfunc <> 0 then c.castfunc::regprocedure::text end as function
  from pg_catalog.pg_cast c
  join pg_catalog.pg_type s on s.oid = c.castsource
  join pg_catalog.pg_namespace sn on sn.oid = s.typnamespace
  join pg_catalog.pg_type t on t.oid = c.casttarget
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
 where c.oid >= 16384
