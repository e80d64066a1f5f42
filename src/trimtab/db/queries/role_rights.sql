/* trimtab: which rights does this session's role have, by itself or by SET ROLE to one that it is a member of, that neither
   reading nor changing indexes, statistics and settings needs? Whoever connected ($1), and whoever the session's user is, can
   be again, by RESET SESSION AUTHORIZATION and RESET ROLE, whatever role a setting has put in their place. */
select m.what
  from (select 'superuser' as what, r.rolsuper as is_held, 1 as place, r.oid from pg_catalog.pg_roles r
        union all select 'createrole', r.rolcreaterole, 2, r.oid from pg_catalog.pg_roles r
        union all select 'createdb', r.rolcreatedb, 3, r.oid from pg_catalog.pg_roles r
        union all select 'replication', r.rolreplication, 4, r.oid from pg_catalog.pg_roles r
        union all select r.rolname::text, true, 5, r.oid from pg_catalog.pg_roles r
         where r.rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
                             'pg_write_all_data', 'pg_create_subscription')) as m
  join pg_catalog.pg_roles me on me.rolname in (current_user, session_user, $1::text::name)
 where m.is_held
   and pg_catalog.pg_has_role(me.oid, m.oid, 'member')
   and (m.what = 'superuser' or not me.rolsuper)
 group by m.what
 order by min(m.place), m.what
