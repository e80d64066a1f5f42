/* trimtab: foreign tables: on which server, and of their options, which say what is read there, a digest */
select array[n.nspname::text, c.relname::text] as key, s.srvname::text as server,
       encode(sha256(textsend(coalesce((select string_agg(o, chr(10) order by o) from unnest(t.ftoptions) o), ''))), 'hex')
           as definition
  from pg_catalog.pg_foreign_table t
  join pg_catalog.pg_class c on c.oid = t.ftrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_foreign_server s on s.oid = t.ftserver
