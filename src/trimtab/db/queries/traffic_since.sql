/* trimtab: since which very moment pg_stat_statements counts: it tells one reset from another */
select i.stats_reset::text as since
  from {schema}.pg_stat_statements_info i
