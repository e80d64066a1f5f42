/* trimtab: remove the statistics of all columns of relations of the twin, to be loaded anew */
delete from pg_catalog.pg_statistic s
 using rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name),
       pg_catalog.pg_namespace n, pg_catalog.pg_class c
 where n.nspname = w.schema and c.relnamespace = n.oid and c.relname = w.name and s.starelid = c.oid
