/* trimtab: store the values of an extended-statistics object in the twin */
insert into pg_catalog.pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, stxddependencies, stxdmcv)
select s.oid, $3::boolean, $4::bytea::pg_catalog.pg_ndistinct, $5::bytea::pg_catalog.pg_dependencies,
       $6::bytea::pg_catalog.pg_mcv_list
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
 where n.nspname = $1::text and s.stxname = $2::text
