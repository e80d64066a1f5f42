/* trimtab: an index's file on the twin, whether it is a B-tree, and how many rows its table has */
select pg_catalog.pg_relation_filepath(i.indexrelid), am.amname = 'btree', greatest(t.reltuples, 0)::float8
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_am am on am.oid = c.relam
 where i.indexrelid = $1::bigint::oid
