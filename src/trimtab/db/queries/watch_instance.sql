/* trimtab: which server is this at this moment, and how busy is it? What other roles' sessions do is hidden from
   ordinary users: those are not counted here. */
select pg_catalog.current_setting('server_version_num')::int as version,
       extract(epoch from pg_catalog.pg_postmaster_start_time())::float8 as started_at,
       pg_catalog.pg_is_in_recovery() as is_standby,
       extract(epoch from pg_catalog.clock_timestamp())::float8 as clock,
       pg_catalog.pg_wal_lsn_diff(
           case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                else pg_catalog.pg_current_wal_lsn() end, '0/0')::bigint as wal_bytes,
       (select count(*)
          from pg_catalog.pg_stat_activity a
         where a.backend_type = 'client backend'
           and a.state in ('active', 'fastpath function call')
           and a.pid <> pg_catalog.pg_backend_pid())::int as active_sessions
