/* trimtab: how are the tables and indexes of this database used, and how large are they? $1: so many of each, the most
   used and largest first; of the rest nothing is told. Their sizes are in pages, as the last VACUUM or ANALYZE saw. */
(select 'table' as kind,
        t.schemaname::text as schema,
        t.relname::text as table,
        '' as index,
        t.seq_scan::bigint as scans,
        t.seq_tup_read::bigint as rows_read,
        coalesce(t.idx_scan, 0)::bigint as index_scans,
        t.n_tup_ins::bigint as inserted,
        t.n_tup_upd::bigint as updated,
        t.n_tup_del::bigint as deleted,
        t.n_live_tup::bigint as live_rows,
        t.n_dead_tup::bigint as dead_rows,
        c.relpages::bigint as pages,
        false as is_unique,
        greatest(t.last_vacuum, t.last_autovacuum)::text as vacuumed,
        greatest(t.last_analyze, t.last_autoanalyze)::text as analyzed
   from pg_catalog.pg_stat_user_tables t
   join pg_catalog.pg_class c on c.oid = t.relid
  order by t.seq_tup_read + coalesce(t.idx_tup_fetch, 0) + t.n_tup_ins + t.n_tup_upd + t.n_tup_del desc, c.relpages desc
  limit $1)
union all
(select 'index', i.schemaname::text, i.relname::text, i.indexrelname::text,
        i.idx_scan::bigint, i.idx_tup_read::bigint, 0, 0, 0, 0, 0, 0, c.relpages::bigint, x.indisunique, null, null
   from pg_catalog.pg_stat_user_indexes i
   join pg_catalog.pg_class c on c.oid = i.indexrelid
   join pg_catalog.pg_index x on x.indexrelid = i.indexrelid
  order by i.idx_scan desc, c.relpages desc
  limit $1)
