/* trimtab: foreign servers; of their options only the names */
select array[s.srvname::text] as key, w.fdwname::text as wrapper,
       pg_catalog.pg_get_userbyid(s.srvowner)::text as owner,
       array(select split_part(o, '=', 1) from unnest(s.srvoptions) o order by 1) as options
  from pg_catalog.pg_foreign_server s
  join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw
