/* trimtab: what to ask the planner so that it shows the height of each B-tree: all rows in the index's order.
   Nothing is to be asked of one whose root surely points to leaves: its widest entries for all pages fit into the 70 %
   of a page that a build fills. An entry is at most its keys, a head, NULLs, a row's place and its own pointer. */
select n.nspname::text as schema, c.relname::text as name,
       pg_catalog.format('%I.%I', n.nspname, t.relname) as relation,
       case when not s.is_certain then
       (select pg_catalog.string_agg(
                   '(' || pg_catalog.pg_get_indexdef(i.indexrelid, k.position, false) || ')'
                   || coalesce(' USING OPERATOR(' || o.name || ')',
                               case when i.indoption[k.position - 1] & 1 = 1 then ' DESC' else '' end)
                   || case when i.indoption[k.position - 1] & 2 = 2 then ' NULLS FIRST' else ' NULLS LAST' end,
                   ', ' order by k.position)
          from pg_catalog.generate_series(1, i.indnkeyatts) as k(position)
          -- an operator class that is not its type's own has an order of its own
          left join lateral (
              select pg_catalog.format('%I.%s', s.nspname, o.oprname) as name
                from pg_catalog.pg_opclass f
                join pg_catalog.pg_amop a
                  on a.amopfamily = f.opcfamily and a.amoplefttype = f.opcintype and a.amoprighttype = f.opcintype
                 and a.amopstrategy = case when i.indoption[k.position - 1] & 1 = 1 then 5 else 1 end
                join pg_catalog.pg_operator o on o.oid = a.amopopr
                join pg_catalog.pg_namespace s on s.oid = o.oprnamespace
               where f.oid = i.indclass[k.position - 1] and not f.opcdefault) as o on true) end as sort_order,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_am am on am.oid = c.relam
 cross join lateral (
           select pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint as pages,
                  (select case when pg_catalog.bool_and(a.attlen > 0)
                               then 28 + pg_catalog.sum((a.attlen + 7) / 8 * 8) end
                     from pg_catalog.pg_attribute a
                    where a.attrelid = c.oid and a.attnum <= i.indnkeyatts) as widest
       ) as m
 cross join lateral (
           select m.pages >= 4 and coalesce((m.pages - 2) * m.widest <= 0.7 * 8000, false) as is_certain
       ) as s
 where am.amname = 'btree'
   and c.relkind = 'i'
   and c.relpersistence <> 't'
   and i.indisvalid
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   -- up to two pages the root is a leaf
   and m.pages > 2
   and pg_catalog.has_schema_privilege(n.oid, 'usage')
   and pg_catalog.has_table_privilege(t.oid, 'select')
