/* trimtab: foreign servers; of their options the names, and one digest of what they say: where the server is */
select array[s.srvname::text] as key, w.fdwname::text as wrapper,
       pg_catalog.pg_get_userbyid(s.srvowner)::text as owner,
       array(select split_part(o, '=', 1) from unnest(s.srvoptions) o order by 1) as options,
       encode(sha256(textsend(concat_ws(chr(10), s.srvtype, s.srvversion,
                                        (select string_agg(o, chr(10) order by o) from unnest(s.srvoptions) o)))), 'hex')
           as definition
  from pg_catalog.pg_foreign_server s
  join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw
