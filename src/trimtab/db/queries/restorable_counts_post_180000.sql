/* trimtab: of the columns $3 of the table $2 in the schema $1, how many are there, and how large was the table counted? */
select (select pg_catalog.count(*) from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attname = any ($3::text[]) and a.attnum > 0 and not a.attisdropped)::int,
       c.relpages, c.reltuples, c.relallvisible, c.relallfrozen
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'm')
