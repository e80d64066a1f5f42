/* trimtab: which backends are there, at what and since when, and may this session's role signal them? $1: this process alone,
   or null for those of clients that are not idle, the longest at it first; $2: with idle ones and the server's own processes;
   $3: so many. What other roles' backends do is hidden from ordinary users. */
select a.pid,
       coalesce(pg_catalog.to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') as started_at,
       coalesce(pg_catalog.to_char(b.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') as since,
       coalesce(a.backend_type, '') as kind,
       coalesce(a.usename::text, '') as role,
       coalesce(a.datname::text, '') as database,
       coalesce(a.application_name, '') as application,
       coalesce(a.state, 'hidden') as state,
       coalesce(a.wait_event_type || ':' || a.wait_event, '') as wait,
       extract(epoch from pg_catalog.clock_timestamp() - b.since)::float8 as seconds,
       case when a.wait_event_type = 'Lock' then pg_catalog.pg_blocking_pids(a.pid) else '{}'::int[] end as blocked_by,
       coalesce(r.rolsuper, true) as is_superuser,
       a.pid = pg_catalog.pg_backend_pid() as is_own,
       (pg_catalog.pg_has_role('pg_signal_backend', 'usage')
        or coalesce(pg_catalog.pg_has_role(a.usesysid, 'usage'), false))
       and not exists (select
                         from pg_catalog.pg_proc p
                        where p.pronamespace = 'pg_catalog'::regnamespace
                          and p.proname in ('pg_cancel_backend', 'pg_terminate_backend')
                          and not pg_catalog.has_function_privilege(p.oid, 'execute')) as may_signal,
       case when a.query <> '<insufficient privilege>' then pg_catalog."left"(a.query, 2000) end as text
  from pg_catalog.pg_stat_activity a
  left join pg_catalog.pg_roles r on r.oid = a.usesysid
 cross join lateral (select case when a.state in ('active', 'fastpath function call') then a.query_start
                                 else coalesce(a.xact_start, a.state_change) end) b(since)
 where case when $1::int is not null then a.pid = $1::int
            else a.pid <> pg_catalog.pg_backend_pid()
                 and ($2::boolean or (a.backend_type = 'client backend' and a.state is distinct from 'idle')) end
 order by 10 desc nulls last, a.pid
 limit $3::int
