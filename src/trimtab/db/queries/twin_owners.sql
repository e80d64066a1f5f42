/* trimtab: who owns tables with row-level security, and views of such: policies mind it */
select n.nspname::text as schema, c.relname::text as name, r.rolname::text as role
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_roles r on r.oid = c.relowner
 where c.relkind in ('r', 'p', 'v')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   and (c.relrowsecurity
        or exists (select
                     from pg_catalog.pg_rewrite w
                     join pg_catalog.pg_depend d
                       on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                      and d.refclassid = 'pg_catalog.pg_class'::regclass
                     join pg_catalog.pg_class t on t.oid = d.refobjid and t.relrowsecurity
                    where w.ev_class = c.oid))
 order by 1, 2
