/* trimtab: what VACUUM and ANALYZE counted of tables, before CREATE INDEX counts them anew */
select oid::bigint, relpages, reltuples::float8, relallvisible from pg_catalog.pg_class where oid = any ($1::bigint[]::oid[])
