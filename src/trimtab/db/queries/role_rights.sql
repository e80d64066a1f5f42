/* trimtab: which rights does this session's role have, by itself or by SET ROLE to one that it is a member of, that neither
   reading nor changing indexes, statistics and settings needs? */
select m.what
  from (select 'superuser' as what, r.rolsuper as is_held, 1 as place, r.oid from pg_catalog.pg_roles r
        union all select 'createrole', r.rolcreaterole, 2, r.oid from pg_catalog.pg_roles r
        union all select 'createdb', r.rolcreatedb, 3, r.oid from pg_catalog.pg_roles r
        union all select 'replication', r.rolreplication, 4, r.oid from pg_catalog.pg_roles r
        union all select r.rolname::text, true, 5, r.oid from pg_catalog.pg_roles r
         where r.rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
                             'pg_write_all_data', 'pg_create_subscription')) as m
  join pg_catalog.pg_roles me on me.rolname = current_user
 where m.is_held
   and pg_catalog.pg_has_role(m.oid, 'member')
   and (m.what = 'superuser' or not me.rolsuper)
 group by m.what
 order by min(m.place), m.what
