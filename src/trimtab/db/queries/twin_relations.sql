/* trimtab: what the catalog says of every relation of users: pages of its file, and what ANALYZE and VACUUM counted */
select n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
       case when c.relkind in ('r', 'm', 'i')
            then pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint end as pages,
       c.relpages as counted_pages, c.reltuples::float8 as rows, c.relallvisible as visible_pages,
       t.spcname::text as tablespace
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_tablespace t on t.oid = c.reltablespace and t.spcoptions is not null
 where c.relkind in ('r', 'm', 'i', 'p', 'I', 'f')
   and c.relpersistence <> 't'
   and n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
