/* trimtab: how this database is now: sessions, waits, cache, size, age. Counters are since stats_reset */
select (select pg_catalog.count(*) from pg_catalog.pg_stat_activity a
         where a.datname = d.datname and a.state = 'active' and a.pid <> pg_catalog.pg_backend_pid())::int
         as active_sessions,
       (select pg_catalog.count(*) from pg_catalog.pg_stat_activity a
         where a.datname = d.datname and a.state like 'idle in transaction%')::int as idle_in_transaction,
       (select pg_catalog.count(*) from pg_catalog.pg_stat_activity a
         where a.datname = d.datname and a.wait_event_type = 'Lock')::int as waiting_for_locks,
       (select pg_catalog.max(extract(epoch from pg_catalog.clock_timestamp() - a.xact_start))
          from pg_catalog.pg_stat_activity a
         where a.datname = d.datname and a.pid <> pg_catalog.pg_backend_pid())::float8 as longest_transaction_seconds,
       d.numbackends::int as sessions,
       (select s.setting::int from pg_catalog.pg_settings s where s.name = 'max_connections') as max_connections,
       case when d.blks_hit + d.blks_read > 0
            then d.blks_hit::float8 / (d.blks_hit + d.blks_read) end as cache_hit_share,
       d.deadlocks::int8 as deadlocks,
       d.temp_bytes::int8 as temporary_bytes,
       case when pg_catalog.has_database_privilege(d.datname, 'CONNECT')
            then pg_catalog.pg_database_size(d.datname) end::int8 as size_bytes,
       (select pg_catalog.age(b.datfrozenxid) from pg_catalog.pg_database b where b.datname = d.datname)::int8
         as transaction_age,
       (select pg_catalog.count(*) from pg_catalog.pg_index i where not i.indisvalid)::int as invalid_indexes,
       d.stats_reset::text as counted_since
  from pg_catalog.pg_stat_database d
 where d.datname = pg_catalog.current_database()
