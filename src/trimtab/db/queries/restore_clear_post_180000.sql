/* trimtab: forget the statistics of the column $3, the table's own and those with its children */
select pg_catalog.pg_clear_attribute_stats($1::text, $2::text, $3::text, w.is_inherited)
  from (values (false), (true)) as w(is_inherited)
