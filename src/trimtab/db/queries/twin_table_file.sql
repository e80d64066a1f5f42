/* trimtab: a table's file on the twin; no row when there is no such table, no path when it has no file of its own */
select pg_catalog.pg_relation_filepath(c.oid) as path
  from pg_catalog.pg_class c
 where c.oid = pg_catalog.to_regclass($1::text)
