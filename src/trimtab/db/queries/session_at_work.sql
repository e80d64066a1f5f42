/* trimtab: is the session of pid $1, started at $2, still at work? What it does is hidden from other ordinary users. */
select a.pid
  from pg_catalog.pg_stat_activity a
 where a.pid = $1::int
   and a.pid <> pg_catalog.pg_backend_pid()
   and coalesce(a.state, 'active') <> 'idle'
   and coalesce(to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') = $2, true)
