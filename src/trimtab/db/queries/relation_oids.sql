/* trimtab: what do these names mean to this session ($1: schemas as written, '' for none; $2: names)? What is not there,
   or is in a schema that the role may not use, is left out */
select w.schema, w.name, r.oid
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name)
 cross join lateral (
     select case when w.schema = '' then pg_catalog.to_regclass(pg_catalog.quote_ident(w.name))::oid
                 else (select c.oid
                         from pg_catalog.pg_class c
                         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                        where n.nspname = w.schema and c.relname = w.name
                          and pg_catalog.has_schema_privilege(n.oid, 'usage')) end as oid) r
 where r.oid is not null
