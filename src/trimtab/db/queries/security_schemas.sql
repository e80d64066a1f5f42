/* trimtab: schemas of this database */
select array[n.nspname::text] as key, n.oid::bigint as oid, pg_catalog.pg_get_userbyid(n.nspowner)::text as owner
  from pg_catalog.pg_namespace n
 where n.nspname !~ '^pg_(toast_)?temp_'
