/* trimtab: the definitions of users' indexes from USING on, but of those that belong to one of a partitioned table */
with found as materialized (
    select i.*, c.relkind, n.nspname::text as schema, c.relname::text as name, t.relname::text as "table",
           pg_catalog.pg_get_indexdef(i.indexrelid) as definition
      from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_class t on t.oid = i.indrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where i.indislive
       and not c.relispartition
       and c.relpersistence <> 't'
       and t.relkind in ('r', 'm', 'p')
       and n.nspname <> 'information_schema'
       and n.nspname !~ '^pg_'
)
select f.schema, f.name, f."table",
       substr(f.definition, length('CREATE ' || case when f.indisunique then 'UNIQUE ' else '' end || 'INDEX '
              || quote_ident(f.name) || ' ON ' || case when f.relkind = 'I' then 'ONLY ' else '' end
              || quote_ident(f.schema) || '.' || quote_ident(f."table") || ' ') + 1) as tail,
       array(select coalesce(a.attname::text, '')
               from generate_series(1, f.indnkeyatts) k
               left join pg_catalog.pg_attribute a on a.attrelid = f.indrelid and a.attnum = f.indkey[k - 1]
              order by k) as key_columns,
       array(select a.attname::text
               from generate_series(f.indnkeyatts + 1, f.indnatts) k
               join pg_catalog.pg_attribute a on a.attrelid = f.indrelid and a.attnum = f.indkey[k - 1]
              order by k) as include_columns,
       f.indisunique as is_unique,
       f.indisvalid and f.indisready as is_valid
  from found f
 where f.definition is not null
 order by 1, 2
