/* trimtab: who read and wrote how much, where and why, and since when is that counted? */
select i.backend_type,
       i.object,
       i.context,
       coalesce(i.reads, 0)::bigint as reads,
       coalesce(i.read_bytes, 0)::bigint as read_bytes,
       coalesce(i.read_time, 0)::float8 as read_ms,
       (coalesce(i.writes, 0) + coalesce(i.extends, 0))::bigint as writes,
       (coalesce(i.write_bytes, 0) + coalesce(i.extend_bytes, 0))::bigint as write_bytes,
       (coalesce(i.write_time, 0) + coalesce(i.extend_time, 0))::float8 as write_ms,
       coalesce(i.hits, 0)::bigint as hits,
       coalesce(i.evictions, 0)::bigint as evictions,
       coalesce(i.fsyncs, 0)::bigint as fsyncs,
       i.stats_reset::text as reset
  from pg_catalog.pg_stat_io i
 where coalesce(i.reads, 0) + coalesce(i.writes, 0) + coalesce(i.extends, 0) + coalesce(i.hits, 0) > 0
