/* trimtab: by what is this session known, should it outlive its client? */
select a.pid, to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as started_at
  from pg_catalog.pg_stat_activity a
 where a.pid = pg_catalog.pg_backend_pid()
