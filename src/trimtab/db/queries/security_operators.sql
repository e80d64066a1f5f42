/* trimtab: operators of users: what they call, and by which functions the planner estimates them, which see statistics */
select array[n.nspname::text, o.oprname::text,
             case when o.oprleft = 0 then '' else o.oprleft::regtype::text end,
             case when o.oprright = 0 then '' else o.oprright::regtype::text end] as key,
       pg_catalog.pg_get_userbyid(o.oprowner)::text as owner,
       case when o.oprcode <> 0 then o.oprcode::regprocedure::text end as function,
       array_to_string(array[o.oprrest::regproc::text, o.oprjoin::regproc::text, o.oprcom::regoperator::text,
                             o.oprnegate::regoperator::text, o.oprcanhash::text, o.oprcanmerge::text], ' ') as planning
  from pg_catalog.pg_operator o
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
 where o.oid >= 16384
