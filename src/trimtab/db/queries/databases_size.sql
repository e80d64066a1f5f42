/* trimtab: how many bytes do the databases of this server hold together? Those that this role may not ask are left out */
select coalesce(pg_catalog.sum(case when pg_catalog.pg_has_role('pg_read_all_stats', 'usage')
                                      or pg_catalog.has_database_privilege(d.oid, 'connect')
                                    then pg_catalog.pg_database_size(d.oid) end), 0)::bigint as total_bytes
  from pg_catalog.pg_database d
