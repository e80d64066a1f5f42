/* trimtab: give the indexes that CREATE INDEX made in partitions names of ours */
update pg_catalog.pg_class c
   set relname = w.name
  from rows from (pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::text[])) as w(oid, name)
 where c.oid = w.oid::oid
