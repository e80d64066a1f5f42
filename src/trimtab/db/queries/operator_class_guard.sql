/* trimtab: does a range type, or the key of a partitioned table, use an operator class that no extension brought? */
select exists (
    select from (select r.rngsubopc from pg_catalog.pg_range r
                 union all
                 select k.oid from pg_catalog.pg_partitioned_table t, pg_catalog.unnest(t.partclass) as k(oid)
           ) as used(oid)
     where used.oid >= 16384
       and not exists (select from pg_catalog.pg_depend e
                        where e.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass and e.objid = used.oid
                          and e.deptype = 'e'))
