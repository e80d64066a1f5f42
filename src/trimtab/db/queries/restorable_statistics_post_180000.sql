/* trimtab: the statistics of the columns $3 of the table $2 in the schema $1; texts of arrays */
select s.attname::text, s.inherited, s.null_frac, s.avg_width, s.n_distinct, s.correlation,
       s.most_common_vals::text, s.most_common_freqs::text, s.histogram_bounds::text,
       s.most_common_elems::text, s.most_common_elem_freqs::text, s.elem_count_histogram::text,
       s.range_length_histogram::text, s.range_empty_frac, s.range_bounds_histogram::text
  from pg_catalog.pg_stats s
 where s.schemaname = $1 and s.tablename = $2 and s.attname = any ($3::text[])
 order by 1, 2
