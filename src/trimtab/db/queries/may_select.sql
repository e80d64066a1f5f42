/* trimtab: may this role read all of these relations ($1: oid[])? */
select coalesce(bool_and(coalesce(pg_catalog.has_table_privilege(r.oid, 'select'), false)), true) as may_select
  from pg_catalog.unnest($1::oid[]) as r(oid)
