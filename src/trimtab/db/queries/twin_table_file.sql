/* trimtab: a table of the twin and all its partitions, each with its file when it has one */
select r.oid::bigint as oid, pg_catalog.pg_relation_filepath(r.oid) as path
  from pg_catalog.pg_class c
 cross join lateral (select c.oid union select p.relid from pg_catalog.pg_partition_tree(c.oid) p) as r(oid)
 where c.oid = pg_catalog.to_regclass($1::text)
