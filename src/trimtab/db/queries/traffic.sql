/* trimtab: how often has each statement of this database run, and how long did that take ({schema} holds the extension,
   of version 1.8 or later; what versions tell more is read by its name)? $1: with the texts, which are in a file */
select s.userid as role_oid,
       s.queryid as query_id,
       coalesce((m.more ->> 'toplevel')::boolean, true) as is_top_level,
       coalesce((pg_catalog.timezone('UTC', (m.more ->> 'stats_since')::timestamptz))::text, '') as since,
       s.calls,
       s.total_exec_time as total_ms,
       s.stddev_exec_time as deviation_ms,
       s.rows,
       s.shared_blks_hit + s.shared_blks_read as blocks,
       s.temp_blks_written as temporary_blocks,
       s.query as text
  from {schema}.pg_stat_statements($1) s
 cross join lateral (select pg_catalog.to_jsonb(s) as more) m
 where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
   and s.queryid is not null
   and s.calls > 0
