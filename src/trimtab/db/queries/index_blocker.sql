/* trimtab: for which other transaction, older than $2 ms, would concurrent index work on table $1 wait? A build waits for
   those that may write the table and, at its end, for every old snapshot but a vacuum's; a drop ($3) for those that
   hold any lock on the table. What other roles' sessions do is hidden from ordinary users: those are not found here. */
select a.pid
  from pg_catalog.pg_stat_activity a
 where a.datname = pg_catalog.current_database()
   and a.pid <> pg_catalog.pg_backend_pid()
   and a.backend_type = 'client backend'
   and a.xact_start < pg_catalog.clock_timestamp() - $2::int * interval '1 millisecond'
   and (exists (select from pg_catalog.pg_locks l
                 where l.pid = a.pid and l.locktype = 'relation' and l.granted
                   and l.relation = pg_catalog.to_regclass($1)
                   and ($3::bool or l.mode not in ('AccessShareLock', 'RowShareLock')))
        or not $3::bool and a.backend_xmin is not null
           and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid))
 order by a.xact_start
 limit 1
