/* trimtab: what was written to the write-ahead log, and since when is that counted? */
select w.wal_records::bigint as records,
       w.wal_fpi::bigint as full_page_images,
       w.wal_bytes::bigint as bytes,
       w.wal_buffers_full::bigint as buffers_full,
       w.stats_reset::text as reset
  from pg_catalog.pg_stat_wal w
