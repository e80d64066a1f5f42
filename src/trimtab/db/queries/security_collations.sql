/* trimtab: collations of users: by what texts are compared, so which are equal; their version is an upgrade's affair */
select array[n.nspname::text, c.collname::text, c.collencoding::text] as key,
       pg_catalog.pg_get_userbyid(c.collowner)::text as owner,
       c.collisdeterministic as is_deterministic,
       encode(sha256(textsend((to_jsonb(c) - array['oid', 'collname', 'collnamespace', 'collowner', 'collversion',
                                                   'collisdeterministic'])::text)), 'hex') as definition
  from pg_catalog.pg_collation c
  join pg_catalog.pg_namespace n on n.oid = c.collnamespace
 where c.oid >= 16384
