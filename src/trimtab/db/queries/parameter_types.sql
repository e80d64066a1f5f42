/* trimtab: what kind of types are these ($1: oid[])? */
select t.oid,
       pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as name,
       t.typcategory::text as category,
       e.typcategory::text as element_category,
       (select min(l.enumlabel::text) from pg_catalog.pg_enum l where l.enumtypid = t.oid) as label
  from pg_catalog.pg_type t
  left join pg_catalog.pg_type e on e.oid = t.typelem
 where t.oid = any($1::oid[])
