/* trimtab: the statistics of expressions of extended statistics that this role may see, in their order */
select s.statistics_schemaname::text as schema, s.statistics_name::text as name, false as is_inherited,
       s.null_frac as null_fraction, s.avg_width as width, s.n_distinct as distinct_values, s.correlation,
       s.most_common_vals::text as common_values, s.most_common_freqs::text as common_shares,
       s.histogram_bounds::text as histogram,
       s.most_common_elems::text as elements, s.most_common_elem_freqs::text as element_shares,
       s.elem_count_histogram::text as element_counts
  from pg_catalog.pg_stats_ext_exprs s
 where s.statistics_schemaname <> 'information_schema'
   and s.statistics_schemaname !~ '^pg_'
