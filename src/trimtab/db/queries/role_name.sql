/* trimtab: the name of the role with this oid ($1) */
select r.rolname::text as name from pg_catalog.pg_roles r where r.oid = $1::oid
