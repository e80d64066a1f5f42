/* trimtab: let indexes that were there before not belong to a hypothetical one, which CREATE INDEX made them do */
with detached as (
    delete from pg_catalog.pg_inherits where inhrelid = any ($1::bigint[]::oid[]) and inhparent = any ($2::bigint[]::oid[])
    returning inhrelid
)
update pg_catalog.pg_class set relispartition = false where oid in (select inhrelid from detached)
