/* trimtab: how many bytes of the log has the slowest replica still to replay, and how many sessions of clients are at
   work? What other roles' sessions do is hidden from ordinary users: those are not counted here. */
select (select coalesce(max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn)), 0)
          from pg_catalog.pg_stat_replication r
         where r.state <> 'backup')::bigint as behind_bytes,
       (select count(*)
          from pg_catalog.pg_stat_activity a
         where a.backend_type = 'client backend'
           and a.state in ('active', 'fastpath function call')
           and a.pid <> pg_catalog.pg_backend_pid())::int as active_sessions
