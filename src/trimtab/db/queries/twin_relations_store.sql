/* trimtab: give relations of the twin what VACUUM and ANALYZE counted on the source */
update pg_catalog.pg_class c
   set relpages = w.pages, reltuples = w.rows, relallvisible = w.visible
  from rows from (
           pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int[]),
           pg_catalog.unnest($4::real[]), pg_catalog.unnest($5::int[])
       ) as w(schema, name, pages, rows, visible)
  join pg_catalog.pg_namespace n on n.nspname = w.schema
 where c.relnamespace = n.oid and c.relname = w.name
