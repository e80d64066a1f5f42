/* trimtab: the values of extended statistics, for a superuser, before the inherit flag was there */
select n.nspname as schema, s.stxname as name, false as is_inherited,
       d.stxdndistinct::bytea as ndistinct, d.stxddependencies::bytea as dependencies, d.stxdmcv::bytea as mcv
  from pg_catalog.pg_statistic_ext_data d
  join pg_catalog.pg_statistic_ext s on s.oid = d.stxoid
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
