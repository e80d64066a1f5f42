/* trimtab: when were the planner's statistics of this database last renewed? */
select coalesce(to_char(max(greatest(t.last_analyze, t.last_autoanalyze)) at time zone 'UTC',
                        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') as epoch
  from pg_catalog.pg_stat_user_tables t
