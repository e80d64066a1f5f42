/* trimtab: may this role read all of these relations ($1: schemas as written, '' for none; $2: names)? */
select coalesce(bool_and(coalesce(pg_catalog.has_table_privilege(r.oid, 'select'), false)), true) as may_select
  from unnest($1::text[], $2::text[]) as w(schema, name)
 cross join lateral (
     select case when w.schema = '' then pg_catalog.to_regclass(pg_catalog.quote_ident(w.name))::oid
                 else (select c.oid
                         from pg_catalog.pg_class c
                         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                        where n.nspname = w.schema and c.relname = w.name
                          and pg_catalog.has_schema_privilege(n.oid, 'usage')) end as oid) r
