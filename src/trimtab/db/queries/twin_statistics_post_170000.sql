/* trimtab: the statistics of columns that this role may see; texts of arrays, numbers for columns of indexes */
select n.nspname::text as schema, c.relname::text as relation, a.attname::text as "column",
       case when c.relkind in ('i', 'I') then a.attnum::int end as number, s.inherited as is_inherited,
       s.null_frac as null_fraction, s.avg_width as width, s.n_distinct as distinct_values, s.correlation,
       s.most_common_vals::text as common_values, s.most_common_freqs::text as common_shares,
       s.histogram_bounds::text as histogram,
       s.most_common_elems::text as elements, s.most_common_elem_freqs::text as element_shares,
       s.elem_count_histogram::text as element_counts,
       s.range_length_histogram::text as length_histogram, s.range_empty_frac as empty_share,
       s.range_bounds_histogram::text as bounds_histogram
  from pg_catalog.pg_stats s
  join pg_catalog.pg_namespace n on n.nspname = s.schemaname
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = s.attname
 where c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2, a.attnum, 5
