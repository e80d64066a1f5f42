/* trimtab: what ALTER DATABASE/ROLE SET holds for this database and the roles. Custom settings can hold secrets: not read. */
select case when s.setrole = 0 and s.setdatabase = 0 then 'all roles'
            when s.setrole = 0 then 'database:' || d.datname
            when s.setdatabase = 0 then 'role:' || r.rolname
            else 'role:' || r.rolname || '@database:' || d.datname end as scope,
       split_part(entry, '=', 1) as name,
       substr(entry, strpos(entry, '=') + 1) as value
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  left join pg_catalog.pg_roles r on r.oid = s.setrole
 cross join lateral unnest(s.setconfig) as entry
 where (s.setdatabase = 0 or d.datname = pg_catalog.current_database())
   and (s.setrole = 0 or r.rolname is not null)
   and strpos(split_part(entry, '=', 1), '.') = 0
 order by 1, 2
