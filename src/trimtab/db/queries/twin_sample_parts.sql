/* trimtab: what ANALYZE of a table of the source collects statistics of, with pages and rows: the table itself, the
   table with all that inherits from it, and so each of its partitions; since 18 each of all its heirs */
with recursive wanted as (
    select c.oid, c.relkind = 'p' or pg_catalog.current_setting('server_version_num')::int >= 180000 as has_heirs
      from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1::text)
    union
    select i.inhrelid, w.has_heirs
      from wanted w join pg_catalog.pg_inherits i on i.inhparent = w.oid and w.has_heirs
), below as (
    select w.oid as top, w.oid from wanted w
    union
    select b.top, i.inhrelid from below b join pg_catalog.pg_inherits i on i.inhparent = b.oid
)
select n.nspname::text as schema, c.relname::text as name, k.is_inherited, s.pages, s.rows
  from wanted w
  join pg_catalog.pg_class c on c.oid = w.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join (values (false), (true)) as k(is_inherited)
 cross join lateral (
     select coalesce(sum(pg_catalog.pg_relation_size(l.oid)), 0)::float8
                / pg_catalog.current_setting('block_size')::float8 as pages,
            coalesce(sum(nullif(l.reltuples, -1)), 0)::float8 as rows
       from below b
       join pg_catalog.pg_class l on l.oid = b.oid and l.relkind in ('r', 'm')
      where b.top = c.oid and (k.is_inherited or b.oid = c.oid)) as s
 where case when k.is_inherited then exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid)
            else c.relkind <> 'p' end
 order by c.oid <> pg_catalog.to_regclass($1::text), 1, 2, 3
