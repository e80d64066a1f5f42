/* trimtab: tablespaces with costs of their own; the name is '' for that of the database itself */
select case when t.oid = d.dattablespace then '' else t.spcname::text end as name,
       o.option_name::text as option, o.option_value::text as value
  from pg_catalog.pg_tablespace t
  join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
 cross join lateral pg_catalog.pg_options_to_table(t.spcoptions) o
