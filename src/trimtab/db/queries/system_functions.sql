/* trimtab: names of functions that are not the user's own: PostgreSQL's, and what extensions own */
select distinct p.proname::text as name
  from pg_catalog.pg_proc p
  left join pg_catalog.pg_depend e on e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'
 where p.pronamespace = 'pg_catalog'::regnamespace or e.objid is not null
