/* trimtab: give tables back what VACUUM and ANALYZE counted: before 18, CREATE INDEX took it from their empty files */
update pg_catalog.pg_class c
   set relpages = w.pages, reltuples = w.rows, relallvisible = w.visible
  from rows from (
           pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::int[]), pg_catalog.unnest($3::float8[]),
           pg_catalog.unnest($4::int[])
       ) as w(oid, pages, rows, visible)
 where c.oid = w.oid::oid and (c.relpages, c.reltuples, c.relallvisible) is distinct from (w.pages, w.rows::real, w.visible)
