/* trimtab: how is the server at this moment: who it is, who is at work and waits for what, what its databases counted,
   how far its standbys are behind? What other roles' sessions do is hidden from ordinary users: `sees_sessions`
   is false then. */
select pg_catalog.current_setting('server_version_num')::int as version,
       extract(epoch from pg_catalog.pg_postmaster_start_time())::float8 as started_at,
       pg_catalog.pg_is_in_recovery() as is_standby,
       extract(epoch from pg_catalog.clock_timestamp())::float8 as clock,
       pg_catalog.pg_wal_lsn_diff(
           case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                else pg_catalog.pg_current_wal_lsn() end, '0/0')::bigint as wal_bytes,
       pg_catalog.current_setting('max_connections')::int as max_connections,
       pg_catalog.pg_has_role('pg_read_all_stats', 'usage') as sees_sessions,
       (case when pg_catalog.pg_is_in_recovery() then
            case when pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() then 0
                 else extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) end
        end)::float8 as replay_lag_seconds,
       (select pg_catalog.json_agg(pg_catalog.json_build_array(g.state, g.kind, g.event, g.sessions))
          from (select coalesce(a.state, 'hidden') as state,
                       case when a.state = 'active' then coalesce(a.wait_event_type, 'CPU') end as kind,
                       case when a.state = 'active' then coalesce(a.wait_event, 'CPU') end as event,
                       count(*) as sessions
                  from pg_catalog.pg_stat_activity a
                 where a.backend_type = 'client backend'
                   and a.pid <> pg_catalog.pg_backend_pid()
                 group by 1, 2, 3) g) as sessions,
       (select extract(epoch from max(pg_catalog.clock_timestamp() - a.xact_start))
          from pg_catalog.pg_stat_activity a
         where a.backend_type = 'client backend'
           and a.pid <> pg_catalog.pg_backend_pid())::float8 as oldest_transaction_seconds,
       (select pg_catalog.json_agg(pg_catalog.json_build_array(
                   d.datname, d.xact_commit, d.xact_rollback, d.blks_read, d.blks_hit, d.temp_files, d.temp_bytes,
                   d.deadlocks, d.conflicts, d.blk_read_time, d.blk_write_time, d.stats_reset::text))
          from pg_catalog.pg_stat_database d
         where d.datname is not null
           and (d.xact_commit > 0 or d.datname = pg_catalog.current_database())) as databases,
       (select pg_catalog.json_agg(pg_catalog.json_build_array(
                   r.application_name, r.state, r.sync_state, extract(epoch from r.replay_lag),
                   pg_catalog.pg_wal_lsn_diff(case when pg_catalog.pg_is_in_recovery() then null
                                                   else pg_catalog.pg_current_wal_lsn() end, r.replay_lsn)))
          from pg_catalog.pg_stat_replication r
         where r.state <> 'backup') as replicas,
       pg_catalog.current_database()::text as database
