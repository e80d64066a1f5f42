/* trimtab: what is the extended-statistics object of oid $1 on the table of oid $2 called now? */
select n.nspname::text as schema, s.stxname::text as name
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
 where s.oid = $1::oid
   and s.stxrelid = $2::oid
