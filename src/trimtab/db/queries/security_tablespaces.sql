/* trimtab: tablespaces; what is granted on them is with the grants */
select array[t.spcname::text] as key, pg_catalog.pg_get_userbyid(t.spcowner)::text as owner
  from pg_catalog.pg_tablespace t
