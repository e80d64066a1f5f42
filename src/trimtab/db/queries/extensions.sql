/* trimtab: the extensions of the database and their schemas, in the order in which they were made */
select e.extname::text as name, n.nspname::text as schema
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
 where e.extname <> 'plpgsql'
 order by e.oid
