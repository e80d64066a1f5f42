/* trimtab: indexes of the twin: file, access method, fill factor in percent, predicate */
select i.indexrelid::bigint as oid,
       pg_catalog.pg_relation_filepath(i.indexrelid) as path,
       am.amname = 'btree' as is_btree,
       coalesce((select o.option_value::int from pg_catalog.pg_options_to_table(c.reloptions) o
                  where o.option_name = 'fillfactor'), 90) as fill_percent,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = c.relam
 where i.indexrelid = any ($1::bigint[]::oid[])
