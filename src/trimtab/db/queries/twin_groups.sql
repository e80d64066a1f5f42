/* trimtab: the numbers of distinct groups that extended statistics of the indexes' tables know, as JSON */
select i.indexrelid::bigint as oid, d.stxdndistinct::text as ndistinct
  from pg_catalog.pg_index i
  join pg_catalog.pg_statistic_ext s on s.stxrelid = i.indrelid
  join pg_catalog.pg_statistic_ext_data d on d.stxoid = s.oid
 where i.indexrelid = any ($1::bigint[]::oid[])
   and d.stxdndistinct is not null
