/* trimtab: what ALTER ROLE and ALTER ROLE IN DATABASE set for this database, of settings that match or are named */
select r.rolname::text as role, split_part(e.entry, '=', 1) as name, substr(e.entry, strpos(e.entry, '=') + 1) as value
  from pg_catalog.pg_db_role_setting s
  join pg_catalog.pg_roles r on r.oid = s.setrole
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
 cross join lateral pg_catalog.unnest(s.setconfig) as e(entry)
 where (s.setdatabase = 0 or d.datname = pg_catalog.current_database())
   and (split_part(e.entry, '=', 1) ~ $1::text or split_part(e.entry, '=', 1) = any ($2::text[]))
 order by 1, s.setdatabase = 0 desc
