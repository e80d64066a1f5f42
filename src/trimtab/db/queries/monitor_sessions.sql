/* trimtab: who is at work now, since when, waiting for what and held up by whom? $1: so many, the longest first */
select a.pid,
       coalesce(a.usename::text, '') as role,
       coalesce(a.datname::text, '') as database,
       coalesce(a.application_name, '') as application,
       coalesce(a.state, 'hidden') as state,
       coalesce(a.wait_event_type || ':' || a.wait_event, '') as wait,
       extract(epoch from pg_catalog.clock_timestamp() - case when a.state = 'active' then a.query_start
                                                              else coalesce(a.xact_start, a.state_change) end)::float8
           as seconds,
       case when a.wait_event_type = 'Lock' then pg_catalog.pg_blocking_pids(a.pid) else '{}'::int[] end as blocked_by,
       case when a.query <> '<insufficient privilege>' then pg_catalog."left"(a.query, 2000) end as text
  from pg_catalog.pg_stat_activity a
 where a.backend_type = 'client backend'
   and a.pid <> pg_catalog.pg_backend_pid()
   and a.state is distinct from 'idle'
 order by 7 desc nulls last
 limit $1
