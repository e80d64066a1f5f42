/* trimtab: may this role read all of these relations ($1: schemas as written, '' for none; $2: names)? */
select coalesce(bool_and(coalesce(pg_catalog.has_table_privilege(r.oid, 'select'), false)), true) as may_select
  from unnest($1::text[], $2::text[]) as w(schema, name)
 cross join lateral (select pg_catalog.to_regclass(
       case when w.schema = '' then '' else quote_ident(w.schema) || '.' end || quote_ident(w.name))::oid as oid) r
