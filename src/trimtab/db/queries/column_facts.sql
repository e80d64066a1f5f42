/* trimtab: what the planner knows of the columns of these relations ($1: oid[]; a partitioned table without statistics of
   its own lends those of its largest leaf), to draw parameters from */
with recursive wanted as (
    select distinct w.oid from pg_catalog.unnest($1::oid[]) as w(oid)
), tree (root, oid, kind) as (
    select w.oid, c.oid, c.relkind from wanted w join pg_catalog.pg_class c on c.oid = w.oid
    union all
    select t.root, i.inhrelid, c.relkind
      from tree t
      join pg_catalog.pg_inherits i on i.inhparent = t.oid
      join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
     where t.kind = 'p'
), known as materialized (
    select distinct on (t.root, s.attname)
           t.root, s.attname, s.most_common_vals, s.most_common_freqs, s.histogram_bounds
      from tree t
      join pg_catalog.pg_class c on c.oid = t.oid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.inherited = (c.relkind = 'p')
     order by t.root, s.attname, (t.root = t.oid) desc, c.reltuples desc, c.oid
)
select w.oid,
       a.attname::text as "column",
       a.atttypid as type_oid,
       pg_catalog.format_type(a.atttypid, null) as type_name,
       t.typcategory::text as category,
       case when a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4 then a.atttypmod - 4 end
           as max_length,
       exists (select from pg_catalog.pg_index i
                where i.indrelid = w.oid and i.indisunique
                  and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])) as is_unique,
       exists (select from pg_catalog.pg_constraint k
                where k.conrelid = w.oid and k.contype = 'f' and a.attnum = any(k.conkey)) as is_foreign_key,
       coalesce(case when t.typcategory <> 'G' then s.most_common_vals::text::text[] end, '{}') as common_values,
       coalesce(s.most_common_freqs::float8[], '{}') as frequencies,
       coalesce(case when t.typcategory <> 'G' then s.histogram_bounds::text::text[] end, '{}') as bounds
  from wanted w
  join pg_catalog.pg_attribute a on a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid
  left join known s on s.root = w.oid and s.attname = a.attname
 order by w.oid, a.attnum
