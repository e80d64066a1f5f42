/* trimtab: pages and rows of a table of the source with its partitions, and whether it is partitioned */
select c.relkind = 'p' as is_partitioned,
       coalesce(sum(pg_catalog.pg_relation_size(r.oid)), 0)::float8
           / pg_catalog.current_setting('block_size')::float8 as pages,
       coalesce(sum(nullif(l.reltuples, -1)), 0)::float8 as rows
  from pg_catalog.pg_class c
 cross join lateral (select c.oid union select p.relid from pg_catalog.pg_partition_tree(c.oid) p) as r(oid)
  join pg_catalog.pg_class l on l.oid = r.oid and l.relkind in ('r', 'm')
 where c.oid = pg_catalog.to_regclass($1::text)
 group by c.relkind
