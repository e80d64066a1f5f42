/* trimtab: leading columns of B-trees, as the planner looks up their ends, of tables that changed since ANALYZE */
with known as materialized (
    select s.schemaname, s.tablename, s.attname
      from pg_catalog.pg_stats s
     where not s.inherited
       and s.histogram_bounds is not null
)
select n.nspname::text as schema, c.relname::text as name, a.attname::text as column_name,
       pg_catalog.has_schema_privilege(n.oid, 'usage')
       and pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')
       and not (c.relrowsecurity and pg_catalog.row_security_active(c.oid)) as may_read
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join known k on k.schemaname = n.nspname and k.tablename = c.relname and k.attname = a.attname
 where c.relkind in ('r', 'm')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
   and t.typtype in ('b', 'e', 'd')
   and t.typcategory <> 'A'
   and (pg_catalog.pg_stat_get_mod_since_analyze(c.oid) > 0
        or pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint <> c.relpages)
   and exists (select from pg_catalog.pg_index i
                 join pg_catalog.pg_class x on x.oid = i.indexrelid
                 join pg_catalog.pg_am am on am.oid = x.relam
                 join pg_catalog.pg_opclass o on o.oid = i.indclass[0]
                where i.indrelid = c.oid
                  and i.indkey[0] = a.attnum
                  and i.indisvalid
                  and i.indpred is null
                  and i.indoption[0] in (0, 3) -- ASC NULLS LAST, DESC NULLS FIRST: ORDER BY reads them either way
                  and am.amname = 'btree'
                  and o.opcdefault
                  and o.opckeytype = 0)
 order by 1, 2, 3
