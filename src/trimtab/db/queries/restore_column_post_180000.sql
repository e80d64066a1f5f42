/* trimtab: store the statistics of the column $3, as found by a server of version $5. What is null is left out. */
select pg_catalog.pg_restore_attribute_stats(
           'schemaname', $1::text, 'relname', $2::text, 'attname', $3::text, 'inherited', $4::boolean,
           'version', $5::int, 'null_frac', $6::real, 'avg_width', $7::int, 'n_distinct', $8::real,
           'correlation', $9::real,
           'most_common_vals', $10::text, 'most_common_freqs', $11::real[], 'histogram_bounds', $12::text,
           'most_common_elems', $13::text, 'most_common_elem_freqs', $14::real[],
           'elem_count_histogram', $15::real[],
           'range_length_histogram', $16::text, 'range_empty_frac', $17::real, 'range_bounds_histogram', $18::text)
