/* trimtab: relations of users that this role may not read, or whose statistics row-level security hides from it */
select n.nspname::text as schema, c.relname::text as name, r.may_read
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral (select pg_catalog.has_schema_privilege(n.oid, 'usage')
                            and pg_catalog.has_table_privilege(c.oid, 'select')) as r(may_read)
 where c.relkind in ('r', 'p', 'm', 'f')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   and not exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   and (not r.may_read or (c.relrowsecurity and pg_catalog.row_security_active(c.oid)))
 order by 1, 2
