/* trimtab: the values of extended statistics that this role may see, before the inherit flag and expressions */
select s.statistics_schemaname::text as schema, s.statistics_name::text as name, false as is_inherited,
       s.n_distinct::text as ndistinct, s.dependencies::text as dependencies,
       s.most_common_vals::text as common_values, s.most_common_freqs::text as common_shares,
       s.most_common_base_freqs::text as base_shares,
       array(select k.number::int from unnest(e.stxkeys::int2[]) with ordinality as k(number, position)
              order by k.position) as numbers,
       s.attnames::text[] as names
  from pg_catalog.pg_stats_ext s
  join pg_catalog.pg_namespace n on n.nspname = s.statistics_schemaname
  join pg_catalog.pg_statistic_ext e on e.stxnamespace = n.oid and e.stxname = s.statistics_name
 where n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
