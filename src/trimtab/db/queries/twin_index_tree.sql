/* trimtab: an index with the indexes of the table's partitions that belong to it, for each name */
select w.place::int as place, r.oid::bigint as oid
  from pg_catalog.unnest($1::text[]) with ordinality as w(name, place)
  join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(w.name)
 cross join lateral (select c.oid union select p.relid from pg_catalog.pg_partition_tree(c.oid) p) as r(oid)
