/* trimtab: store the values of a statistics object in the twin, before expressions and the inherit flag */
insert into pg_catalog.pg_statistic_ext_data (stxoid, stxdndistinct, stxddependencies, stxdmcv)
select $1::bigint::oid, $3::bytea::pg_catalog.pg_ndistinct, $4::bytea::pg_catalog.pg_dependencies,
       $5::bytea::pg_catalog.pg_mcv_list
 where $2::boolean is not null or $6::text is null
