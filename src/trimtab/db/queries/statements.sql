/* trimtab: what ran in this database, by text and over roles, the costliest first ({schema} holds the extension, of
   version 1.8; from 1.9 on it is statements_top_level). What Trimtab itself sent and what other roles hide are told
   apart by the reader. $1: at most so many */
select s.query as text,
       s.queryid is null or s.query = '<insufficient privilege>' as is_hidden,
       case when s.queryid is null or s.query = '<insufficient privilege>'
            then coalesce(r.rolname::text, s.userid::text) end as role,
       sum(s.calls)::float8 as calls,
       sum(s.total_exec_time)::float8 as total_ms,
       count(distinct coalesce(s.queryid, 0))::bigint as statements
  from {schema}.pg_stat_statements s
  left join pg_catalog.pg_roles r on r.oid = s.userid
 where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
 group by 1, 2, 3
having sum(s.calls) > 0
 order by 5 desc, 1
 limit $1
