/* trimtab: what has this name ($1 schema, $2 name)? The tail is the definition from USING on, null for what is no plain
   index. */
with found as materialized (
    select c.oid, c.relkind, i.indisvalid and i.indisready and i.indislive as is_usable,
           tn.nspname as table_schema, t.relname as table_name,
           pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
           'CREATE INDEX ' || pg_catalog.quote_ident(c.relname) || ' ON '
               || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname) || ' ' as prefix
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_index i on i.indexrelid = c.oid
      left join pg_catalog.pg_class t on t.oid = i.indrelid
      left join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
     where n.nspname = $1
       and c.relname = $2
)
select coalesce(f.is_usable, false) as is_usable,
       f.table_schema::text as table_schema,
       f.table_name::text as table_name,
       case when f.relkind = 'i' and left(f.definition, length(f.prefix) + 6) = f.prefix || 'USING '
            then substr(f.definition, length(f.prefix) + 1) end as tail,
       f.oid
  from found f
