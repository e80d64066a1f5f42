/* trimtab: where does the index $2 of schema $1 lie? null where that is where its database is */
select pg_catalog.pg_tablespace_location(c.reltablespace) as place
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1
   and c.relname = $2
   and c.reltablespace <> 0
