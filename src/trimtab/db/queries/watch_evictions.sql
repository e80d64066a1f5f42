/* trimtab: since when does pg_stat_statements count, and how often had it to forget statements for lack of room? */
select i.stats_reset::text as reset,
       i.dealloc as evictions
  from {schema}.pg_stat_statements_info i
