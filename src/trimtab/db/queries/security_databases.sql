/* trimtab: databases */
select array[d.datname::text] as key, pg_catalog.pg_get_userbyid(d.datdba)::text as owner,
       d.datallowconn as allows_connections, d.datistemplate as is_template, d.datconnlimit as connection_limit
  from pg_catalog.pg_database d
