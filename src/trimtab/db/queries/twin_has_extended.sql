/* trimtab: a row when a user's table has extended statistics */
select s.oid from pg_catalog.pg_statistic_ext s limit 1
