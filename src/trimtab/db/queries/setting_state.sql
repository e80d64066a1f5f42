/* trimtab: what does ALTER DATABASE or ALTER ROLE SET hold for the setting $3? $1 is "database", "role" or
   "role_in_database", $2 its name, $4 the database of the last. */
select pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) as held
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  left join pg_catalog.pg_roles r on r.oid = s.setrole
 cross join lateral pg_catalog.unnest(s.setconfig) as entry
 where (($1 = 'database' and d.datname = $2 and s.setrole = 0)
        or ($1 = 'role' and r.rolname = $2 and s.setdatabase = 0)
        or ($1 = 'role_in_database' and r.rolname = $2 and d.datname = $4))
   and pg_catalog.lower(pg_catalog.split_part(entry, '=', 1)) = pg_catalog.lower($3)
