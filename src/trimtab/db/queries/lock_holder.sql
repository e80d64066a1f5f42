/* trimtab: who holds this database's lock? Of other roles' sessions the start is hidden from ordinary users. */
select l.pid, to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as connected_at
  from pg_catalog.pg_locks l
  left join pg_catalog.pg_stat_activity a on a.pid = l.pid
  join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
 where l.locktype = 'advisory'
   and l.classid::bigint = $1::bigint
   and l.objid = d.oid
   and l.objsubid = 2
   and l.granted
   and l.pid <> pg_catalog.pg_backend_pid()
