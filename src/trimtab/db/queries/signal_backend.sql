/* trimtab: do $1 (cancel, terminate) to the backend $2 if it still is the one that started at $3, and at what it is at since
   $4, which is $5 seconds or more: a client's, and no superuser's. It is looked at and signalled in this one statement; without a
   row it was another one, or at something else, and was left alone. */
with target as materialized (
    select a.pid
      from pg_catalog.pg_stat_activity a
      join pg_catalog.pg_roles r on r.oid = a.usesysid and not r.rolsuper
     cross join lateral (select case when a.state in ('active', 'fastpath function call') then a.query_start
                                     else coalesce(a.xact_start, a.state_change) end) b(since)
     where a.pid = $2::int
       and a.pid <> pg_catalog.pg_backend_pid()
       and a.backend_type = 'client backend'
       and pg_catalog.to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') = $3::text
       and pg_catalog.to_char(b.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') = $4::text
       and extract(epoch from pg_catalog.clock_timestamp() - b.since) >= $5::float8
       and ($1::text = 'terminate' or a.state in ('active', 'fastpath function call'))
)
select case $1::text when 'terminate' then pg_catalog.pg_terminate_backend(t.pid)
                     when 'cancel' then pg_catalog.pg_cancel_backend(t.pid) end as is_sent
  from target t
