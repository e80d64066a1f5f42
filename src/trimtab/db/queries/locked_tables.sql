/* trimtab: which tables that this role may read do other sessions lock exclusively, or wait to? Reading waits for both. */
select n.nspname::text as schema,
       c.relname::text as name,
       c.oid,
       l.pid,
       l.granted as is_held
  from pg_catalog.pg_locks l
  join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
  join pg_catalog.pg_class c on c.oid = l.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where l.locktype = 'relation'
   and l.mode = 'AccessExclusiveLock'
   and l.pid is distinct from pg_catalog.pg_backend_pid()
   and c.relkind in ('r', 'p', 'm')
   and c.relpersistence <> 't'
   and n.nspname not in ('pg_catalog', 'information_schema')
   and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
   and pg_catalog.has_schema_privilege(n.oid, 'usage')
   and pg_catalog.has_table_privilege(c.oid, 'select')
 order by l.granted desc, n.nspname, c.relname, l.pid
