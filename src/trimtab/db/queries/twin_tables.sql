/* trimtab: a digest of how each of users' tables and views is defined, but for indexes, statistics and triggers */
select n.nspname::text as schema,
       c.relname::text as name,
       md5(concat_ws('|', c.relkind, c.relpersistence, array_to_string(c.reloptions, ','), c.relrowsecurity,
                     c.relforcerowsecurity, pg_catalog.pg_get_partkeydef(c.oid),
                     pg_catalog.pg_get_expr(c.relpartbound, c.oid),
                     case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end,
                     (select string_agg(concat_ws(' ', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                                                  a.attnotnull, l.collname, a.attgenerated,
                                                  array_to_string(a.attoptions, ',')), ',' order by a.attnum)
                        from pg_catalog.pg_attribute a
                        left join pg_catalog.pg_collation l on l.oid = a.attcollation
                       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
                     (select string_agg(concat_ws(' ', k.conname, k.convalidated,
                                                  pg_catalog.pg_get_constraintdef(k.oid)), ',' order by k.conname)
                        from pg_catalog.pg_constraint k
                       where k.conrelid = c.oid and k.contype in ('c', 'f')),
                     (select string_agg(concat_ws(' ', y.polname, y.polcmd, y.polpermissive,
                                                  array(select r.rolname from pg_catalog.pg_roles r
                                                         where r.oid = any (y.polroles) order by 1)::text,
                                                  pg_catalog.pg_get_expr(y.polqual, y.polrelid)), ',' order by y.polname)
                        from pg_catalog.pg_policy y
                       where y.polrelid = c.oid))) as digest
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm', 'v', 'f')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
