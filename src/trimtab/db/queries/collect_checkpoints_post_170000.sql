/* trimtab: how many checkpoints were made, and since when is that counted? */
select c.num_timed::bigint as timed,
       c.num_requested::bigint as requested,
       c.buffers_written::bigint as buffers_written,
       c.stats_reset::text as reset
  from pg_catalog.pg_stat_checkpointer c
