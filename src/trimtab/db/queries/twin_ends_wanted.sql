/* trimtab: leading columns of B-trees that the planner looks up the ends of, and whether one probe of it may read them: in an
   index with the order of ORDER BY's own place of NULLs, or, other_nulls, with the other. A probe counts as a use of the index:
   only tables that changed since ANALYZE are asked. Expressions have no name here */
with known as materialized (
    select s.schemaname, s.tablename, s.attname
      from pg_catalog.pg_stats s
     where not s.inherited
       and s.histogram_bounds is not null
), trees as materialized (
    select i.indrelid, i.indexrelid, i.indkey[0] as attnum, i.indoption[0] in (1, 2) as other_nulls
      from pg_catalog.pg_index i
      join pg_catalog.pg_class x on x.oid = i.indexrelid
      join pg_catalog.pg_am am on am.oid = x.relam
      join pg_catalog.pg_opclass o on o.oid = i.indclass[0]
     where i.indisvalid
       and i.indpred is null
       and am.amname = 'btree'
       and o.opcdefault
       and o.opckeytype = 0
), led as (
    select t.indrelid, t.attnum, pg_catalog.bool_and(t.other_nulls) as other_nulls
      from trees t
     where t.attnum > 0
     group by t.indrelid, t.attnum
)
select n.nspname::text as schema, c.relname::text as name, a.attname::text as column_name, l.other_nulls,
       pg_catalog.has_schema_privilege(n.oid, 'usage')
       and pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')
       and not (c.relrowsecurity and pg_catalog.row_security_active(c.oid))
       and t.typtype in ('b', 'e', 'd')
       and t.typcategory <> 'A'
       and (pg_catalog.pg_stat_get_mod_since_analyze(c.oid) > 0
            or pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint <> c.relpages)
       as may_read
  from led l
  join pg_catalog.pg_class c on c.oid = l.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = l.attnum
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join known k on k.schemaname = n.nspname and k.tablename = c.relname and k.attname = a.attname
 where c.relkind in ('r', 'm')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
union all
select n.nspname::text, c.relname::text, '', false, false
  from trees t
  join pg_catalog.pg_class c on c.oid = t.indrelid
  join pg_catalog.pg_class x on x.oid = t.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = x.oid and a.attnum = 1
  join known k on k.schemaname = n.nspname and k.tablename = x.relname and k.attname = a.attname
 where t.attnum = 0
   and c.relkind in ('r', 'm')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2, 3
