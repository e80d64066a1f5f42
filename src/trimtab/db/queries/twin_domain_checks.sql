/* trimtab: checks of domains that call functions or operators which are not PostgreSQL's own */
select n.nspname::text as schema, t.typname::text as name, c.conname::text as "check"
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_type t on t.oid = c.contypid
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
 where c.contype = 'c'
   and exists (select from pg_catalog.pg_depend d
                where d.classid = 'pg_catalog.pg_constraint'::regclass and d.objid = c.oid
                  and d.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass))
 order by 1, 2, 3
