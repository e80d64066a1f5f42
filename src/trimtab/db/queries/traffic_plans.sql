/* trimtab: how often these statements of this database ($1: ids of the server's) were planned, and executed ({schema} holds
   the extension) */
select coalesce(sum(s.plans), 0)::bigint as plans,
       coalesce(sum(s.calls), 0)::bigint as calls
  from {schema}.pg_stat_statements(false) s
 where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
   and s.queryid = any ($1::bigint[])
