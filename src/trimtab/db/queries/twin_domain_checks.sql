/* trimtab: the checks of users' and extensions' domains */
select n.nspname::text as schema, t.typname::text as name, c.conname::text as "check"
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_type t on t.oid = c.contypid
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
 where c.contype = 'c'
   and n.nspname not in ('information_schema', 'pg_catalog')
 order by 1, 2, 3
