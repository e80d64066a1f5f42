/* trimtab: what ALTER DATABASE and ALTER ROLE SET hold; $1 and $2 as in security_settings */
select array[coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''), split_part(entry, '=', 1)] as key,
       split_part(entry, '=', 1) as setting,
       case when substr(entry, strpos(entry, '=') + 1) = ''
                 or not (split_part(entry, '=', 1) = any($1::text[])
                         or (split_part(entry, '=', 1) ~ '[.]' and split_part(entry, '=', 1) !~ $2))
            then substr(entry, strpos(entry, '=') + 1)
            else 'sha256:' || encode(sha256(textsend(substr(entry, strpos(entry, '=') + 1))), 'hex') end as value
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  left join pg_catalog.pg_roles r on r.oid = s.setrole
 cross join lateral unnest(s.setconfig) as entry
 where (s.setdatabase = 0 or d.oid is not null) and (s.setrole = 0 or r.oid is not null)
