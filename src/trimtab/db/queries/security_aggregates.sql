/* trimtab: aggregates of users: which functions they are made of, as one digest; what else they are is with the functions */
select array['"' || replace(n.nspname, '"', '""') || '"."' || replace(p.proname, '"', '""') || '"('
       || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'] as key,
       encode(sha256(textsend(array_to_string(array[
           a.aggkind::text, a.aggnumdirectargs::text, a.aggtransfn::regprocedure::text, a.aggfinalfn::regproc::text,
           a.aggcombinefn::regproc::text, a.aggserialfn::regproc::text, a.aggdeserialfn::regproc::text,
           a.aggmtransfn::regproc::text, a.aggminvtransfn::regproc::text, a.aggmfinalfn::regproc::text,
           a.aggsortop::regoperator::text, a.aggtranstype::regtype::text, coalesce(a.agginitval, '-')], ' '))), 'hex')
           as definition
  from pg_catalog.pg_aggregate a
  join pg_catalog.pg_proc p on p.oid = a.aggfnoid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where p.oid >= 16384
