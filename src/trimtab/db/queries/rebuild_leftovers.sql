/* trimtab: which invalid indexes did a broken-off REINDEX CONCURRENTLY of index $3 leave on table $2 of schema $1? It
   calls the new one NAME_ccnew until it is done and the old one NAME_ccold from then on, with a number behind it where
   that name is taken; a name that would be longer than 63 bytes loses its end before the ending. */
select c.relname::text as name
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
 cross join lateral (select pg_catalog.substring(c.relname::text, '^(.*)_cc(?:new|old)[0-9]*$') as base) b
 where n.nspname = $1
   and t.relname = $2
   and c.relnamespace = t.relnamespace
   and not i.indisvalid
   and b.base <> ''
   and (b.base = $3::text
        or pg_catalog.octet_length(c.relname::text) >= 60 and pg_catalog.left($3::text, pg_catalog.length(b.base)) = b.base)
 order by c.relname
