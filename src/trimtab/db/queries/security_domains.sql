/* trimtab: domains: NOT NULL and the default; their other constraints are with the constraints */
select array[n.nspname::text, t.typname::text] as key,
       pg_catalog.pg_get_userbyid(t.typowner)::text as owner,
       t.typnotnull as not_null,
       encode(sha256(textsend(t.typdefault)), 'hex') as "default"
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
 where t.typtype = 'd' and t.oid >= 16384
