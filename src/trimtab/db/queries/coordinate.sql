/* trimtab: where does the server stand: WAL position and timeline? */
select coalesce((case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                      else pg_catalog.pg_current_wal_lsn() end)::text, '') as wal_position,
       (select c.timeline_id from pg_catalog.pg_control_checkpoint() c) as timeline
