/* trimtab: give an index another file, which no server buffer knows */
update pg_catalog.pg_class set relfilenode = $2::bigint::oid where oid = $1::bigint::oid
