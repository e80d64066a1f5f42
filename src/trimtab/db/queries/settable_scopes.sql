/* trimtab: for which database, roles and functions may this role run ALTER ... SET? A database's and a function's
   settings are its owner's. A role sets its own; those of others take CREATEROLE, since 16 with the admin option on
   them; those of superusers, superuser. Functions are named with their types, all quoted. */
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
union all
select 'function:"' || replace(n.nspname, '"', '""') || '"."' || replace(p.proname, '"', '""') || '"('
       || coalesce((select pg_catalog.string_agg('"' || replace(tn.nspname, '"', '""') || '"."'
                                                 || replace(t.typname, '"', '""') || '"', ', ' order by k.place)
                      from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality as k(type, place)
                      join pg_catalog.pg_type t on t.oid = k.type
                      join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace), '') || ')'
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where p.prokind = 'f'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   and pg_catalog.pg_has_role(p.proowner, 'usage')
   and not exists (select from pg_catalog.pg_depend e
                    where e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e')
