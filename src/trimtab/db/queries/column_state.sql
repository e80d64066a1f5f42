/* trimtab: what was set with ALTER TABLE for the column $3 of the table $2 in the schema $1? */
select nullif(a.attstattarget, -1)::int as target,
       (select o.option_value from pg_catalog.pg_options_to_table(a.attoptions) o
         where o.option_name = 'n_distinct')::float8 as distinct_set,
       (select o.option_value from pg_catalog.pg_options_to_table(a.attoptions) o
         where o.option_name = 'n_distinct_inherited')::float8 as distinct_set_inherited
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and c.relname = $2 and a.attname = $3
   and c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped
