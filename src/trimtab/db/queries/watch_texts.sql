/* trimtab: the texts of some statements of this database ({schema} holds the extension). $1: their ids; $2: the length
   beyond which a text is not wanted */
select s.queryid as query_id,
       min(case when pg_catalog.length(s.query) <= $2 then s.query end) as text
  from {schema}.pg_stat_statements s
 where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
   and s.queryid = any($1::bigint[])
   and s.query <> '<insufficient privilege>'
 group by s.queryid
