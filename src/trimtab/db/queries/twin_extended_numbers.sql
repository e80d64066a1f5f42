/* trimtab: the column numbers that a statistics object of the twin has for these names, in their order */
select array(select a.attnum::int from unnest($3::text[]) with ordinality as w(name, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attname = w.name
              order by w.position) as numbers
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
 where n.nspname = $1::text and s.stxname = $2::text
