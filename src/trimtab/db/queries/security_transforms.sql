/* trimtab: transforms: by which functions values of a type reach a language, and come back */
select array[n.nspname::text, t.typname::text, l.lanname::text] as key,
       case when f.trffromsql <> 0 then f.trffromsql::regprocedure::text end as from_sql,
       case when f.trftosql <> 0 then f.trftosql::regprocedure::text end as to_sql
  from pg_catalog.pg_transform f
  join pg_catalog.pg_type t on t.oid = f.trftype
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  join pg_catalog.pg_language l on l.oid = f.trflang
