/* trimtab: the oid of the function $1 (with its types) */
select p.oid from pg_catalog.pg_proc p where p.oid = pg_catalog.to_regprocedure($1)
