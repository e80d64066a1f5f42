/* trimtab: a statistics object of the twin: its table, and its columns and expressions in their order */
select s.oid::bigint as oid, s.stxrelid::regclass::text as relation,
       array(select a.attnum::int from unnest(s.stxkeys::int2[]) with ordinality as k(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.number
              order by k.position) as numbers,
       array(select a.attname::text from unnest(s.stxkeys::int2[]) with ordinality as k(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.number
              order by k.position) as names,
       coalesce(pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), '{}') as expressions
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
 where n.nspname = $1::text and s.stxname = $2::text
