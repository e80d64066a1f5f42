/* trimtab: tell the planner the true pages and rows of hypothetical indexes, which were made empty */
update pg_catalog.pg_class c
   set relpages = w.pages, reltuples = w.rows
  from unnest($1::bigint[], $2::int[], $3::float8[]) as w(oid, pages, rows)
 where c.oid = w.oid::oid
