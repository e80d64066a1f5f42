/* trimtab: operator families of users, and those of the system that somebody has added to: which operators and support
   functions are in them */
select array[n.nspname::text, f.opfname::text, a.amname::text] as key,
       pg_catalog.pg_get_userbyid(f.opfowner)::text as owner,
       array(select 'operator ' || o.amopstrategy || ' ' || o.amopopr::regoperator::text || ' ' || o.amoppurpose::text
               from pg_catalog.pg_amop o where o.amopfamily = f.oid and o.oid >= 16384
              union all
             select 'function ' || p.amprocnum || ' (' || p.amproclefttype::regtype::text || ', '
                    || p.amprocrighttype::regtype::text || ') ' || p.amproc::regprocedure::text
               from pg_catalog.pg_amproc p where p.amprocfamily = f.oid and p.oid >= 16384
              order by 1) as members
  from pg_catalog.pg_opfamily f
  join pg_catalog.pg_namespace n on n.oid = f.opfnamespace
  join pg_catalog.pg_am a on a.oid = f.opfmethod
 where f.oid >= 16384
    or exists (select from pg_catalog.pg_amop o where o.amopfamily = f.oid and o.oid >= 16384)
    or exists (select from pg_catalog.pg_amproc p where p.amprocfamily = f.oid and p.oid >= 16384)
