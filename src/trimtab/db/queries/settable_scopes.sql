/* trimtab: for which database and roles may this role run ALTER ... SET? A database's settings are its owner's. A role
   sets its own; those of others take CREATEROLE, since 16 with the admin option on them; those of superusers, superuser. */
select 'database:' || d.datname as scope
  from pg_catalog.pg_database d
 where d.datname = pg_catalog.current_database()
   and pg_catalog.pg_has_role(d.datdba, 'usage')
union all
select 'role:' || r.rolname
  from pg_catalog.pg_roles r
  join pg_catalog.pg_roles me on me.rolname = current_user
 where me.rolsuper
    or (not r.rolsuper
        and (r.oid = me.oid
             or (me.rolcreaterole
                 and (pg_catalog.current_setting('server_version_num')::int < 160000
                      or pg_catalog.pg_has_role(r.oid, 'member with admin option')))))
