/* trimtab: which table or index each partition, child or partition's index belongs to; of several the first */
select n.nspname::text as schema, c.relname::text as name, pn.nspname::text as parent_schema, p.relname::text as parent
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = i.inhparent
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
 where n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2, i.inhseqno
