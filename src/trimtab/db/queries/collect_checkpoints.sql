/* trimtab: how many checkpoints were made, and since when is that counted? */
select b.checkpoints_timed::bigint as timed,
       b.checkpoints_req::bigint as requested,
       b.buffers_checkpoint::bigint as buffers_written,
       b.stats_reset::text as reset
  from pg_catalog.pg_stat_bgwriter b
