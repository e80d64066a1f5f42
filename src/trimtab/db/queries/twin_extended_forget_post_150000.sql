/* trimtab: remove what a statistics object of the twin holds, per inherit flag */
delete from pg_catalog.pg_statistic_ext_data where stxoid = $1::bigint::oid and stxdinherit = $2::boolean
