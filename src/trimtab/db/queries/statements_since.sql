/* trimtab: since when pg_stat_statements counts */
select pg_catalog.to_char(i.stats_reset at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
  from {schema}.pg_stat_statements_info i
