/* trimtab: statistics objects of users whose values the views keep from this role: it is not their table's owner */
select n.nspname::text as schema, s.stxname::text as name, cn.nspname::text as table_schema, c.relname::text as table
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
  join pg_catalog.pg_class c on c.oid = s.stxrelid
  join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
 where not pg_catalog.pg_has_role(c.relowner, 'usage')
   and not exists (select from pg_catalog.pg_stats_ext v
                    where v.statistics_schemaname = n.nspname and v.statistics_name = s.stxname)
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
