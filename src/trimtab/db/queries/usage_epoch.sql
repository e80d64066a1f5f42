/* trimtab: since when does this server count the uses of indexes, on which timeline, and how many replicas does it have?
   A slot stands for a replica that may be away; what only receives the log (pg_receivewal, Barman) reads no index. */
with receivers as (
    select r.pid
      from pg_catalog.pg_stat_replication r
     where r.application_name ~ 'receive_?wal'
), slots as (
    select s.slot_type, s.active_pid
      from pg_catalog.pg_replication_slots s
     where s.active_pid is null or s.active_pid not in (select v.pid from receivers v)
)
select pg_catalog.to_char(d.stats_reset at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as database_reset,
       (select pg_catalog.to_char(b.stats_reset at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
          from pg_catalog.pg_stat_bgwriter b) as server_reset,
       case when not pg_catalog.pg_is_in_recovery()
            then pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) end as timeline,
       ((select count(*) from slots s where s.slot_type = 'physical')
        + (select count(*)
             from pg_catalog.pg_stat_replication r
            where r.state is distinct from 'backup'
              and r.pid not in (select v.pid from receivers v)
              and r.pid not in (select s.active_pid from slots s where s.active_pid is not null)))::int as replicas
  from pg_catalog.pg_stat_database d
 where d.datname = pg_catalog.current_database()
