/* trimtab: how many rows and pages tables had when they were last counted: of those that are named ($1: schemas, $2: names), or,
   where that is null, of the largest ($3: how many at most) */
select n.nspname::text as schema,
       c.relname::text as name,
       greatest(c.reltuples, 0)::float8 as rows,
       greatest(c.relpages, 0)::float8 as pages
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema')
   and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
   and ($1::text[] is null
        or exists (select from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name)
                    where w.schema = n.nspname and w.name = c.relname))
 order by c.relpages desc, c.oid
 limit $3
