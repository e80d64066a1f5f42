/* trimtab: settings that match ($1) of this database, of roles, of roles in this database, and of users' functions */
select case when s.setrole = 0 and s.setdatabase = 0 then 'all roles'
            when s.setrole = 0 then 'database'
            when s.setdatabase = 0 then 'role'
            else 'role in database' end as level,
       case when s.setrole = 0 then coalesce(d.datname::text, '') else r.rolname::text end as scope,
       split_part(e.entry, '=', 1) as name,
       substr(e.entry, strpos(e.entry, '=') + 1) as value
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  left join pg_catalog.pg_roles r on r.oid = s.setrole
 cross join lateral pg_catalog.unnest(s.setconfig) as e(entry)
 where (s.setdatabase = 0 or d.datname = pg_catalog.current_database())
   and (s.setrole = 0 or r.rolname is not null)
   and split_part(e.entry, '=', 1) ~ $1::text
 union all
select 'function',
       n.nspname::text || '.' || p.proname::text || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
       split_part(e.entry, '=', 1),
       substr(e.entry, strpos(e.entry, '=') + 1)
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 cross join lateral pg_catalog.unnest(p.proconfig) as e(entry)
 where n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   and split_part(e.entry, '=', 1) ~ $1::text
 order by 1, 2, 3
