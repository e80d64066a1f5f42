/* trimtab: where does this server keep its data, where does an index of this session go, and which server is it? Where
   the data directory is, is told to members of pg_read_all_settings alone; a place that is '' is in it */
select coalesce((select s.setting from pg_catalog.pg_settings s where s.name = 'data_directory'), '') as data_directory,
       pg_catalog.current_setting('port')::int as port,
       extract(epoch from pg_catalog.pg_postmaster_start_time())::float8 as started_at,
       pg_catalog.pg_tablespace_location(d.dattablespace) as database_place,
       (select pg_catalog.pg_tablespace_location(t.oid)
          from pg_catalog.pg_tablespace t
         where t.spcname = pg_catalog.current_setting('default_tablespace')) as index_place
  from pg_catalog.pg_database d
 where d.datname = pg_catalog.current_database()
