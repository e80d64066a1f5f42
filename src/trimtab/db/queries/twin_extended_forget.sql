/* trimtab: remove what a statistics object of the twin holds; before 15 it exists once */
delete from pg_catalog.pg_statistic_ext_data where stxoid = $1::bigint::oid and $2::boolean is not null
