/* trimtab: the foreign keys of these tables ($1: oid[]), with the referencing columns in order; `cascades`: ON DELETE CASCADE */
select k.conrelid as table_oid,
       k.conname::text as name,
       array(select a.attname::text
               from unnest(k.conkey) with ordinality as c(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.number
              order by c.position) as columns,
       n.nspname::text as referenced_schema,
       r.relname::text as referenced_table,
       k.confdeltype = 'c' as cascades
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class r on r.oid = k.confrelid
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
 where k.conrelid = any($1::oid[]) and k.contype = 'f'
 order by k.conrelid, k.conname, k.oid
