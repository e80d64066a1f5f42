/* trimtab: the columns of these tables ($1: oid[], $2: their names). A virtual generated column cannot be indexed, so it
   has no order. By the names the server looks at the statistics of these tables alone, not at those of all its own. */
with recursive used (type, base, kind, typtype, element) as (
    select distinct a.atttypid, t.oid, t.typtype, t.typtype, t.typelem
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type t on t.oid = a.atttypid
     where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
    union all
    select u.type, t.oid, t.typtype, t.typtype, t.typelem
      from used u
      join pg_catalog.pg_type d on d.oid = u.base
      join pg_catalog.pg_type t on t.oid = d.typbasetype
     where u.kind = 'd'
), indexable as materialized (
    select o.opcintype as type
      from pg_catalog.pg_opclass o
      join pg_catalog.pg_am m on m.oid = o.opcmethod
     where m.amname = 'btree' and o.opcdefault
    union
    select k.castsource
      from pg_catalog.pg_opclass o
      join pg_catalog.pg_am m on m.oid = o.opcmethod
      join pg_catalog.pg_cast k on k.casttarget = o.opcintype and k.castmethod = 'b' and k.castcontext = 'i'
     where m.amname = 'btree' and o.opcdefault
), ordered as materialized (
    select u.type,
           bool_or(u.base in (select i.type from indexable i)
                   or u.typtype in ('e', 'r', 'm')
                   or (t.typcategory = 'A' and (e.oid in (select i.type from indexable i) or e.typtype in ('e', 'r', 'm'))))
               as has_order
      from used u
      join pg_catalog.pg_type t on t.oid = u.base
      left join pg_catalog.pg_type e on e.oid = u.element
     where u.kind <> 'd'
     group by u.type
)
select a.attrelid as table_oid,
       a.attname::text as name,
       a.attnum::int as number,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name,
       a.attnotnull as is_not_null,
       coalesce(o.has_order, false) and a.attgenerated::text <> 'v' as has_btree_order,
       s.avg_width as average_width,
       s.correlation::float8 as correlation,
       case when s.n_distinct < 0 then -s.n_distinct * greatest(c.reltuples, 0) else s.n_distinct end::float8
           as distinct_values,
       nullif(a.attstattarget, -1)::int as statistics_target,
       (select o.option_value from pg_catalog.pg_options_to_table(a.attoptions) o
         where o.option_name = 'n_distinct')::float8 as distinct_set,
       (select o.option_value from pg_catalog.pg_options_to_table(a.attoptions) o
         where o.option_name = 'n_distinct_inherited')::float8 as distinct_set_inherited
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join ordered o on o.type = a.atttypid
  left join pg_catalog.pg_stats s on s.schemaname = n.nspname
                                 and s.tablename = c.relname
                                 and s.attname = a.attname
                                 and s.inherited = (c.relkind = 'p')
                                 and s.tablename = any($2::name[])
 where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
 order by a.attrelid, a.attnum
