/* trimtab: which other client holds the lock of an index build or drop on this table right now? */
select l.pid
  from pg_catalog.pg_locks l
  join pg_catalog.pg_stat_activity a on a.pid = l.pid
 where l.locktype = 'relation'
   and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
   and l.relation = pg_catalog.to_regclass($1)
   and l.mode = 'ShareUpdateExclusiveLock'
   and l.granted
   and l.pid <> pg_catalog.pg_backend_pid()
   and a.backend_type is distinct from 'autovacuum worker'
 order by l.pid
 limit 1
