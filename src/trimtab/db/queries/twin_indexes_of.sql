/* trimtab: the indexes of tables of the twin */
select indexrelid::bigint as oid from pg_catalog.pg_index where indrelid = any ($1::bigint[]::oid[])
