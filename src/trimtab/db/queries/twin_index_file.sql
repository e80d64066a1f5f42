/* trimtab: indexes of the twin: table, files, access method, fill factor in percent, predicate, deduplication */
select i.indexrelid::bigint as oid,
       i.indrelid::bigint as table_oid,
       t.reltuples as table_rows,
       n.nspname::text as table_schema,
       t.relname::text as table_name,
       pg_catalog.pg_relation_filepath(i.indexrelid) as path,
       am.amname::text as method,
       (select o.option_value::int from pg_catalog.pg_options_to_table(c.reloptions) o
         where o.option_name = 'fillfactor') as fill_percent,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate,
       coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(c.reloptions) o
                  where o.option_name = 'deduplicate_items'), true) as may_deduplicate
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_am am on am.oid = c.relam
 where i.indexrelid = any ($1::bigint[]::oid[])
   and c.relkind = 'i'
 order by i.indexrelid
