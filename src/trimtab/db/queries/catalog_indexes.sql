/* trimtab: the indexes of these tables ($1: oid[]). The tail is the definition from USING on, and null where one CREATE
   INDEX does not put the same index back: on partitioned tables, attached to one, in a tablespace of its own. For a
   table that is locked exclusively the definition is empty, since it is printed under a lock on the table. `has_more`
   says that the index holds what its definition does not tell: a comment, statistics targets, DEPENDS ON EXTENSION. */
with locked as materialized (
    select k.relation as oid
      from pg_catalog.pg_locks k
     where k.locktype = 'relation' and k.mode = 'AccessExclusiveLock'
       and k.database in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
), found as materialized (
    select i.*,
           c.relname, c.relkind, c.relispartition, c.reltablespace, c.relpages, c.relam,
           n.nspname,
           case when i.indrelid in (select k.oid from locked k) then ''
                else pg_catalog.pg_get_indexdef(i.indexrelid) end as definition,
           'CREATE ' || case when i.indisunique then 'UNIQUE ' else '' end || 'INDEX ' || quote_ident(c.relname)
               || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(t.relname) || ' ' as prefix
      from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_class t on t.oid = i.indrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where i.indrelid = any($1::oid[]) and i.indislive
)
select f.indrelid as table_oid,
       f.nspname::text as schema,
       f.relname::text as name,
       m.amname::text as method,
       array(select a.attname::text
               from generate_series(1, f.indnkeyatts) k
               left join pg_catalog.pg_attribute a on a.attrelid = f.indrelid and a.attnum = f.indkey[k - 1]
              order by k) as key_columns,
       array(select a.attname::text
               from generate_series(f.indnkeyatts + 1, f.indnatts) k
               join pg_catalog.pg_attribute a on a.attrelid = f.indrelid and a.attnum = f.indkey[k - 1]
              order by k) as include_columns,
       f.indoption::int2[] as key_options,
       f.indclass::oid[] as operator_classes,
       f.indcollation::oid[] as collations,
       f.definition,
       case when f.relkind = 'i' and not f.relispartition and f.reltablespace = 0
                 and left(f.definition, length(f.prefix) + 6) = f.prefix || 'USING '
            then substr(f.definition, length(f.prefix) + 1) end as tail,
       f.indisunique as is_unique,
       f.indisprimary as is_primary,
       f.indisvalid and f.indisready as is_valid,
       f.indisreplident as is_replica_identity,
       f.indisclustered as is_clustered,
       f.indpred is not null as is_partial,
       f.indexprs is not null as has_expressions,
       pg_catalog.obj_description(f.indexrelid, 'pg_class') is not null
           or exists (select from pg_catalog.pg_attribute a
                       where a.attrelid = f.indexrelid and coalesce(a.attstattarget, -1) <> -1)
           or exists (select from pg_catalog.pg_depend d
                       where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = f.indexrelid and d.deptype = 'x')
           as has_more,
       (select min(k.conname::text)
          from pg_catalog.pg_constraint k
         where k.conindid = f.indexrelid and k.contype in ('p', 'u', 'x')) as "constraint",
       coalesce(case when f.relkind = 'I' then 0
                     when f.indexrelid in (select k.oid from locked k) or f.indrelid in (select k.oid from locked k)
                     then f.relpages::bigint * pg_catalog.current_setting('block_size')::int
                     else pg_catalog.pg_relation_size(f.indexrelid) end, 0)::bigint as size_bytes,
       coalesce(pg_catalog.pg_stat_get_numscans(f.indexrelid), 0)::bigint as scans,
       f.indexrelid as oid,
       f.indisexclusion as is_exclusion
  from found f
  join pg_catalog.pg_am m on m.oid = f.relam
 where f.definition is not null
 order by f.indrelid, f.relname
