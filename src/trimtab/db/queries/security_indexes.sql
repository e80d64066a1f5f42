/* trimtab: indexes of users' tables. The definition is its text from USING on; the reader keeps a digest of it. */
select array[n.nspname::text, c.relname::text] as key,
       array[tn.nspname::text, t.relname::text] as "table",
       i.indisunique as is_unique, i.indisprimary as is_primary, i.indisexclusion as is_exclusion,
       i.indimmediate as is_immediate, i.indisreplident as is_replica_identity,
       i.indisvalid and i.indisready and i.indislive as is_valid,
       substr(d.text, strpos(d.text, ' USING ') + 1) as definition
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
 cross join lateral (select pg_catalog.pg_get_indexdef(i.indexrelid) as text offset 0) d
 where i.indexrelid >= 16384 and n.nspname !~ '^pg_toast' and c.relpersistence <> 't' and d.text is not null
