/* trimtab: show or hide indexes of the twin, and let every session read their tables' index lists again */
with switched as (
    update pg_catalog.pg_index
       set indislive = $2::boolean, indisvalid = $2::boolean
     where indexrelid = any ($1::bigint[]::oid[])
       and indexrelid >= 16384 -- never one of the system's
    returning indrelid
)
update pg_catalog.pg_class
   set relhasindex = true
 where oid in (select indrelid from switched)
