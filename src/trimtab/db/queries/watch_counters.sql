/* trimtab: the counters of all statements of this database, without their texts ({schema} holds the extension;
   {top_level} and {since} are what its version tells). Those of roles that hide theirs have no
   id */
select s.userid::bigint,
       s.queryid,
       {top_level},
       s.calls,
       s.total_exec_time,
       s.stddev_exec_time,
       s.rows,
       s.shared_blks_hit + s.shared_blks_read,
       s.temp_blks_written,
       {since}
  from {schema}.pg_stat_statements(false) s
 where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
   and s.calls > 0
