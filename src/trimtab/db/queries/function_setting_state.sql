/* trimtab: what does ALTER FUNCTION SET hold for the setting $2 of the function $1 (with its types)? */
select pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) as held
  from pg_catalog.pg_proc p
 cross join lateral pg_catalog.unnest(p.proconfig) as entry
 where p.oid = pg_catalog.to_regprocedure($1)
   and pg_catalog.lower(pg_catalog.split_part(entry, '=', 1)) = pg_catalog.lower($2)
