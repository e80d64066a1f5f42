/* trimtab: store the values of a statistics object in the twin; $6: the table whose columns' statistics are those of
   its expressions */
insert into pg_catalog.pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, stxddependencies, stxdmcv, stxdexpr)
select $1::bigint::oid, $2::boolean, $3::bytea::pg_catalog.pg_ndistinct, $4::bytea::pg_catalog.pg_dependencies,
       $5::bytea::pg_catalog.pg_mcv_list,
       (select pg_catalog.array_agg(s order by s.staattnum) from pg_catalog.pg_statistic s
         where s.starelid = pg_catalog.to_regclass($6::text))
