/* trimtab: which role has a mapping to which foreign server; their options hold passwords: of them only the names that
   this role may see */
select array[m.srvname::text, coalesce(m.usename::text, 'PUBLIC')] as key,
       array(select split_part(o, '=', 1) from unnest(m.umoptions) o order by 1) as options
  from pg_catalog.pg_user_mappings m
