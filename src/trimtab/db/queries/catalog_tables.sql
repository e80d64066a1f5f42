/* trimtab: the user's tables, partitioned tables and materialized views, with size, rights and write counters.
   A partitioned table stands for the sum of its leaves. The size of what is locked exclusively is taken from relpages:
   asking for it would wait. */
with recursive leaf (root, oid, kind) as (
    select c.oid, c.oid, c.relkind
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm', 'p')
       and c.relpersistence <> 't'
       and n.nspname not in ('pg_catalog', 'information_schema')
       and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
       and not exists (select from pg_catalog.pg_depend e
                        where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    union all
    select l.root, i.inhrelid, c.relkind
      from leaf l
      join pg_catalog.pg_inherits i on i.inhparent = l.oid
      join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
     where l.kind = 'p'
), locked as materialized (
    select k.relation as oid
      from pg_catalog.pg_locks k
     where k.locktype = 'relation' and k.mode = 'AccessExclusiveLock'
       and k.database in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
), total as (
    select l.root,
           sum(greatest(c.reltuples, 0)::float8) as rows,
           sum(greatest(c.relpages, 0)::bigint) as pages,
           sum(coalesce(case when c.oid in (select k.oid from locked k)
                             then c.relpages::bigint * pg_catalog.current_setting('block_size')::int
                             else pg_catalog.pg_table_size(c.oid) end, 0)) as size_bytes,
           bool_and(p.is_empty) as is_empty,
           -- Never analysed, or truncated since, and there are pages: nobody counted the rows of those.
           bool_and(c.reltuples > 0 or p.is_empty) as rows_are_known,
           sum(pg_catalog.pg_stat_get_tuples_inserted(c.oid)) as inserts,
           sum(pg_catalog.pg_stat_get_tuples_updated(c.oid)) as updates,
           sum(pg_catalog.pg_stat_get_tuples_hot_updated(c.oid)) as hot_updates,
           sum(pg_catalog.pg_stat_get_tuples_deleted(c.oid)) as deletes
      from leaf l
      join pg_catalog.pg_class c on c.oid = l.oid and c.relkind <> 'p'
      -- The rows' own pages: values that are stored beside them have one without any.
     cross join lateral (select c.oid not in (select k.oid from locked k)
                                and pg_catalog.pg_relation_size(c.oid) = 0 as is_empty) p
     group by l.root
)
select n.nspname::text as schema,
       c.relname::text as name,
       c.oid,
       c.relkind::text as kind,
       coalesce(t.rows, 0)::float8 as rows,
       coalesce(t.pages, 0)::bigint as pages,
       coalesce(t.size_bytes, 0)::bigint as size_bytes,
       coalesce(t.is_empty, true) as is_empty,
       coalesce(t.rows_are_known, true) as rows_are_known,
       coalesce(t.inserts, 0)::bigint as inserts,
       coalesce(t.updates, 0)::bigint as updates,
       coalesce(t.hot_updates, 0)::bigint as hot_updates,
       coalesce(t.deletes, 0)::bigint as deletes,
       coalesce(pg_catalog.has_schema_privilege(n.oid, 'usage')
                and pg_catalog.has_table_privilege(c.oid, 'select')
                and pg_catalog.has_table_privilege('pg_catalog.pg_stats', 'select')
                and not pg_catalog.row_security_active(c.oid), false) as is_readable,
       coalesce(pg_catalog.pg_has_role(c.relowner, 'usage'), false) as is_owned,
       coalesce(pg_catalog.row_security_active(c.oid), false) as has_row_security,
       coalesce(pg_catalog.has_schema_privilege(n.oid, 'create'), false) as may_create
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join total t on t.root = c.oid
 where c.oid in (select l.root from leaf l)
 order by n.nspname, c.relname
