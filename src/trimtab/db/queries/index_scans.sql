/* trimtab: how often were these indexes ($1: oid[]) used here since the counters began? */
select i.indexrelid as oid, pg_catalog.pg_stat_get_numscans(i.indexrelid)::bigint as scans
  from pg_catalog.pg_index i
 where i.indexrelid = any ($1::oid[])
