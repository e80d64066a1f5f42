/* trimtab: what to ask the planner so that it shows the height of each B-tree: all rows in the index's order */
select n.nspname::text as schema, c.relname::text as name,
       pg_catalog.format('%I.%I', n.nspname, t.relname) as relation,
       (select pg_catalog.string_agg(
                   '(' || pg_catalog.pg_get_indexdef(i.indexrelid, k.position, false) || ')'
                   || case when i.indoption[k.position - 1] & 1 = 1 then ' DESC' else '' end
                   || case when i.indoption[k.position - 1] & 2 = 2 then ' NULLS FIRST' else ' NULLS LAST' end,
                   ', ' order by k.position)
          from pg_catalog.generate_series(1, i.indnkeyatts) as k(position)) as sort_order,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_am am on am.oid = c.relam
 where am.amname = 'btree'
   and c.relkind = 'i'
   and c.relpersistence <> 't'
   and i.indisvalid
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   -- up to two pages the root is a leaf
   and pg_catalog.pg_relation_size(c.oid) > 2 * pg_catalog.current_setting('block_size')::bigint
   and pg_catalog.has_schema_privilege(n.oid, 'usage')
   and pg_catalog.has_table_privilege(t.oid, 'select')
