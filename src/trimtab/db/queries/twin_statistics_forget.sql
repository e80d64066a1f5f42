/* trimtab: remove the statistics of one column of the twin, to be stored anew */
delete from pg_catalog.pg_statistic s
 using pg_catalog.pg_class c, pg_catalog.pg_attribute a
 where s.starelid = c.oid and c.relname = $2::text
   and c.relnamespace = case when $1::text is null then pg_catalog.pg_my_temp_schema()
                             else (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1::text) end
   and a.attrelid = c.oid and s.staattnum = a.attnum
   and case when $4::int is null then a.attname = $3::text else a.attnum = $4::int end
   and s.stainherit = $5::boolean
