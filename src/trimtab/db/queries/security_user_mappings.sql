/* trimtab: which role has a mapping to which foreign server; their options hold passwords: of them only the names that
   this role may see, and one digest of what those say that are called nothing secret: as whom it goes there */
select array[m.srvname::text, coalesce(m.usename::text, 'PUBLIC')] as key,
       array(select split_part(o, '=', 1) from unnest(m.umoptions) o order by 1) as options,
       (select encode(sha256(textsend(string_agg(o, chr(10) order by o))), 'hex')
          from unnest(m.umoptions) o where split_part(o, '=', 1) !~* 'pass|secret|token|key|cred') as definition
  from pg_catalog.pg_user_mappings m
